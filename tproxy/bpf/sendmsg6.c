/* sendmsg() with an address, of IPv6: queries of sockets that are not connected. */
#include "connect.h"
#include "ipv6.h"

SECTION("cgroup/sendmsg6") int tproxy_sendmsg6(struct bpf_sock_addr *context)
{
	if ((__u16)context->user_port != swap16(DNS))
		return ALLOWED;
	__u64 netns = netns_cookie(context);
	struct instance *in = instance_of(netns);
	if (!in)
		return ALLOWED;
	struct flow flow = { .to = called_6(context) };
	complete(&flow, context);
	flow.is_udp = 1;
	struct aim aim = take_aim(context, in, netns, &flow, 0);
	if (aim.verdict != REDIRECT)
		return aim.verdict == REFUSE ? REFUSED : ALLOWED;
	if (aim.source && !context->msg_src_ip6[0] && !context->msg_src_ip6[1] && !context->msg_src_ip6[2] &&
	    !context->msg_src_ip6[3]) {
		struct address source = *aim.source;
		context->msg_src_ip6[0] = source.word[0];
		context->msg_src_ip6[1] = source.word[1];
		context->msg_src_ip6[2] = source.word[2];
		context->msg_src_ip6[3] = source.word[3];
	}
	call_6(context, &aim.to, aim.port);
	return ALLOWED;
}
