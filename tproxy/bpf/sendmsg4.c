/* sendmsg() with an address, of IPv4: queries of sockets that are not connected. */
#include "connect.h"

SECTION("cgroup/sendmsg4") int tproxy_sendmsg4(struct bpf_sock_addr *context)
{
	if ((__u16)context->user_port != swap16(DNS))
		return ALLOWED;
	__u64 netns = netns_cookie(context);
	struct instance *in = instance_of(netns);
	if (!in)
		return ALLOWED;
	struct flow flow = { .to = of_ipv4(context->user_ip4) };
	complete(&flow, context);
	flow.is_udp = 1;
	struct aim aim = take_aim(context, in, netns, &flow, 0);
	if (aim.verdict != REDIRECT)
		return aim.verdict == REFUSE ? REFUSED : ALLOWED;
	if (aim.source && !context->msg_src_ip4)
		context->msg_src_ip4 = aim.source->word[3];
	context->user_ip4 = aim.to.word[3];
	context->user_port = aim.port;
	return ALLOWED;
}
