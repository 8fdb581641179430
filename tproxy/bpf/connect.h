/* What connect() of both families shares. */
#ifndef TPROXY_CONNECT_H
#define TPROXY_CONNECT_H

#include "outbound.h"

#define REFUSED 0
#define ALLOWED 1

INLINE int is_connection(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* Whether this call can concern the sidecar at all: of datagrams only queries do. */
INLINE int is_of_interest(const struct bpf_sock_addr *context)
{
	__u32 protocol = context->protocol;
	return is_connection(protocol) || protocol == IPPROTO_UDP;
}

INLINE void complete(struct flow *flow, const struct bpf_sock_addr *context)
{
	__u64 ids = current_uid_gid();
	flow->uid = (__u32)ids;
	flow->gid = ids >> 32;
	flow->port = swap16((__u16)context->user_port);
	flow->is_ipv4 = is_ipv4(&flow->to);
	flow->is_udp = !is_connection(context->protocol);
}

#endif
