/* connect() of IPv6 sockets, to IPv4-mapped addresses, too. */
#include "connect.h"
#include "ipv6.h"

SECTION("cgroup/connect6") int tproxy_connect6(struct bpf_sock_addr *context)
{
	if (!is_of_interest(context))
		return ALLOWED;
	__u64 netns = netns_cookie(context);
	struct instance *in = instance_of(netns);
	struct bpf_sock *socket = context->sk;
	if (!in || !socket)
		return ALLOWED;
	struct flow flow = { .to = called_6(context) };
	flow.from.word[0] = socket->src_ip6[0];
	flow.from.word[1] = socket->src_ip6[1];
	flow.from.word[2] = socket->src_ip6[2];
	flow.from.word[3] = socket->src_ip6[3];
	complete(&flow, context);
	struct aim aim = take_aim(context, in, netns, &flow, 1);
	if (aim.verdict != REDIRECT)
		return aim.verdict == REFUSE ? REFUSED : ALLOWED;
	if (aim.source && is_unspecified(&flow.from)) {
		struct sockaddr_6 {
			__u16 family, port;
			__u32 flow_label;
			struct address ip;
			__u32 scope;
		} source = { .family = AF_INET6, .ip = *aim.source };
		/* Connections that rules redirect go to ::1, from the same ports: these go to the own address that they come
		   from, where it is one still, so that the two are never taken for each other. */
		if (!bind_source(context, &source, sizeof(source)) && aim.spreads && !flow.is_ipv4) {
			aim.to = source.ip;
			aim.known->sent = aim.to;
		}
	}
	call_6(context, &aim.to, aim.port);
	return ALLOWED;
}
