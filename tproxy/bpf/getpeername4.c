/* getpeername() of IPv4 sockets: the other end is the one that was called. */
#include "answer.h"

SECTION("cgroup/getpeername4") int tproxy_getpeer4(struct bpf_sock_addr *context)
{
	return show_4(context);
}
