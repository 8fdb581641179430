/* recvmsg() of IPv4 datagrams: an answer comes from the server that was asked. */
#include "answer.h"

SECTION("cgroup/recvmsg4") int tproxy_recvmsg4(struct bpf_sock_addr *context)
{
	return show_4(context);
}
