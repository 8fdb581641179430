/* getpeername() of IPv6 sockets: the other end is the one that was called. */
#include "answer6.h"

SECTION("cgroup/getpeername6") int tproxy_getpeer6(struct bpf_sock_addr *context)
{
	return show_6(context);
}
