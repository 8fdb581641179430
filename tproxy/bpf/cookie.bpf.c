/* An object of its own: tells the cookie of a network namespace where sockets do not (before Linux 5.14). It is attached for a
   moment, to the cgroup of whoever asks, and answers one call alone: a bind() to an address that nobody else asks for. */
#include "kernel.h"

/* That address, of 127.0.0.0/8, in network order. */
const volatile __u32 ASKED = 0;

struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, __u32);
	TYPE(value, __u64);
} MAP(tproxy_cookie);

SECTION("cgroup/bind4") int tproxy_cookie4(struct bpf_sock_addr *context)
{
	if (context->user_ip4 != ASKED)
		return 1;
	__u32 first = 0;
	__u64 cookie = netns_cookie(context);
	map_update(&tproxy_cookie, &first, &cookie, BPF_ANY);
	/* Nothing is to be bound. */
	return 0;
}

char licence[] SECTION("license") = "GPL";
