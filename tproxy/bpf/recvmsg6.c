/* recvmsg() of IPv6 datagrams: an answer comes from the server that was asked. */
#include "answer6.h"

SECTION("cgroup/recvmsg6") int tproxy_recvmsg6(struct bpf_sock_addr *context)
{
	return show_6(context);
}
