/* connect() of IPv4 sockets. */
#include "connect.h"

SECTION("cgroup/connect4") int tproxy_connect4(struct bpf_sock_addr *context)
{
	if (!is_of_interest(context))
		return ALLOWED;
	__u64 netns = netns_cookie(context);
	struct instance *in = instance_of(netns);
	struct bpf_sock *socket = context->sk;
	if (!in || !socket)
		return ALLOWED;
	struct flow flow = { .to = of_ipv4(context->user_ip4), .from = of_ipv4(socket->src_ip4) };
	complete(&flow, context);
	struct aim aim = take_aim(context, in, netns, &flow, 1);
	if (aim.verdict != REDIRECT)
		return aim.verdict == REFUSE ? REFUSED : ALLOWED;
	if (aim.source && is_unspecified(&flow.from)) {
		struct sockaddr_4 {
			__u16 family, port;
			__u32 ip;
			__u64 unused;
		} source = { .family = AF_INET, .ip = aim.source->word[3] };
		/* One that has a port of its own keeps its address. */
		bind_source(context, &source, sizeof(source));
	}
	context->user_ip4 = aim.to.word[3];
	context->user_port = aim.port;
	return ALLOWED;
}
