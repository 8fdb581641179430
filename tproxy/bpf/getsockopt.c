/* getsockopt() of the sidecar: where an accepted connection was going. Must never touch another option. */
#include "address.h"

/* SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST (linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h). */
#define ORIGINAL_DESTINATION 80
/* Longer options do not fit into the kernel's buffer: to say nothing of them leaves the kernel's answer. */
#define PAGE 4096

#define OF(socket, field) FIELD(socket, struct bpf_sock, field)

INLINE struct address own_end(struct bpf_sock *socket)
{
	if (OF(socket, family) == AF_INET)
		return of_ipv4(OF(socket, src_ip4));
	struct address address = { .word = { OF(socket, src_ip6[0]), OF(socket, src_ip6[1]), OF(socket, src_ip6[2]),
					     OF(socket, src_ip6[3]) } };
	return address;
}

struct answer_4 {
	__u16 family, port;
	__u32 ip;
	__u64 unused;
};
struct answer_6 {
	__u16 family, port;
	__u32 flow_label;
	struct address ip;
	__u32 scope;
};

SECTION("cgroup/getsockopt") int tproxy_getopt(struct bpf_sockopt *context)
{
	if (context->optname != ORIGINAL_DESTINATION ||
	    (context->level != IPPROTO_IP && context->level != IPPROTO_IPV6)) {
		if (context->optlen > PAGE)
			context->optlen = 0;
		return 1;
	}
	struct bpf_sock *socket = context->sk;
	struct socket *known = socket ? socket_storage(&tproxy_sockets, socket, 0, 0) : 0;
	if (!known || (known->role != INBOUND && known->role != OUTBOUND))
		return 1;
	struct address ip;
	__u16 port;
	if (known->known) {
		ip = known->original;
		port = known->port;
	} else {
		/* What the kernel knows counts: rules of another backend may have sent it here. Else it came here as it was
		   sent. */
		if (!context->retval)
			return 1;
		ip = own_end(socket);
		port = swap16((__u16)OF(socket, src_port));
	}
	if (context->level == IPPROTO_IP) {
		struct answer_4 *answer = context->optval;
		if ((void *)(answer + 1) > context->optval_end || !is_ipv4(&ip))
			return 1;
		answer->family = AF_INET;
		answer->port = port;
		answer->ip = ip.word[3];
		answer->unused = 0;
		context->optlen = sizeof(*answer);
	} else {
		struct answer_6 *answer = context->optval;
		if ((void *)(answer + 1) > context->optval_end)
			return 1;
		answer->family = AF_INET6;
		answer->port = port;
		answer->flow_label = 0;
		answer->ip = ip;
		answer->scope = 0;
		context->optlen = sizeof(*answer);
	}
	context->retval = 0;
	return 1;
}
