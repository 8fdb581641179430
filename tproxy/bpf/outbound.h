/* What happens to connections and datagrams that are sent: the part that all hooks of them share. */
#ifndef TPROXY_OUTBOUND_H
#define TPROXY_OUTBOUND_H

#include "policy.h"

/* Where a call goes instead. */
struct aim {
	__u8 verdict;
	__u16 port; /* in network order */
	struct address to;
	struct address *source; /* from where it would have gone; none where it is not known */
	struct socket *known;   /* what is remembered; none where it goes nowhere else */
	__u8 spreads;           /* whether the sidecar takes it at any address of this host */
};

INLINE struct instance *instance_of(__u64 netns)
{
	return map_lookup(&tproxy_instance, &netns);
}

/* Whether the sidecar takes connections to any address of this host, in this family. */
INLINE int listens_everywhere(__u64 netns, __u16 port, __u16 family)
{
	struct listener_key key = { .netns = netns, .port = port, .family = family };
	for (int slot = 0; slot < SLOTS; slot++) {
		key.slot = slot;
		struct bpf_sock *listener = map_lookup(&tproxy_listen, &key);
		if (!listener)
			continue;
		__u32 at = family == AF_INET ? listener->src_ip4
					     : listener->src_ip6[0] | listener->src_ip6[1] | listener->src_ip6[2] |
						       listener->src_ip6[3];
		release(listener);
		if (!at)
			return 1;
	}
	return 0;
}

/* One address of 127.128.0.0/9 for each destination: one source port then serves many of them, and a source address
   has more connections than ports. */
INLINE __u32 spread(const struct address *to, __u16 port)
{
	__u32 mixed = (to->word[3] ^ port * 0x9e3779b1u) * 0x85ebca6bu;
	return swap32(0x7f800000 | mixed >> 9);
}

/* Decides about a call, and remembers what it would have been. `is_connect` tells connect() from sendmsg(). */
INLINE struct aim take_aim(struct bpf_sock_addr *context, const struct instance *in, __u64 netns,
			   const struct flow *flow, int is_connect)
{
	struct aim aim = { .verdict = PASS };
	struct decision decision = decide(in, flow);
	count(netns, flow->is_ipv4, decision.line);
	struct bpf_sock *socket = context->sk;
	if (!socket)
		return aim;
	if (decision.verdict != REDIRECT) {
		aim.verdict = decision.verdict;
		struct socket *known = is_connect ? socket_storage(&tproxy_sockets, socket, 0, 0) : 0;
		if (known)
			known->known = 0;
		return aim;
	}
	struct socket *known = socket_storage(&tproxy_sockets, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!known) {
		/* Nobody could tell where it was going: better nowhere. */
		aim.verdict = REFUSE;
		return aim;
	}
	known->netns = netns;
	known->original = flow->to;
	known->port = swap16(flow->port);
	known->by = decision.port;
	known->role = CLIENT;
	known->known = 1;
	aim.verdict = REDIRECT;
	aim.port = swap16(decision.port);
	aim.known = known;
	aim.spreads = decision.line == OUTBOUND_CAPTURED &&
		      listens_everywhere(netns, decision.port, flow->is_ipv4 ? AF_INET : AF_INET6);
	if (!flow->is_ipv4)
		aim.to.word[3] = swap32(1);
	else
		aim.to = of_ipv4(aim.spreads ? spread(&flow->to, flow->port) : swap32(0x7f000001));
	known->sent = aim.to;
	/* Connections to an own address come from that address. */
	if (decision.line == OUTBOUND_SIDECAR_TO_SELF)
		aim.source = is_loopback(&flow->to) ? 0 : &known->original;
	else
		aim.source = longest(&tproxy_sources, in, &flow->to, DESTINATION_4, DESTINATION_6);
	return aim;
}

#endif
