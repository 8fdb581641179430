/* The policy for what local processes send, line by line as tproxy/src/plan/policy.rs has it. Must never change anything. */
#ifndef TPROXY_POLICY_H
#define TPROXY_POLICY_H

#include "address.h"
#include "decision.h"
#include "ports.h"

#define DNS 53

struct flow {
	struct address to, from; /* `from` is unspecified where the kernel will choose */
	__u32 uid, gid;
	__u16 port;
	__u8 is_ipv4, is_udp;
};

INLINE int is_excluded(const struct instance *in, const struct flow *flow)
{
	if (in->flags & HAS_USERS) {
		struct id_key key = { .prefix = 64, .generation = in->generation, .id = swap32(flow->uid) };
		struct user_ports *sets = map_lookup(&tproxy_users, &key);
		if (sets && is_in(in, flow->is_udp ? sets->udp : sets->tcp, flow->port))
			return 1;
	}
	if (in->flags & HAS_GROUPS) {
		struct id_key key = { .prefix = 64, .generation = in->generation, .id = swap32(flow->gid) };
		if (map_lookup(&tproxy_groups, &key))
			return 1;
	}
	return in->flags & HAS_NETWORKS && longest(&tproxy_networks, in, &flow->to, DESTINATION_4, DESTINATION_6) != 0;
}

INLINE struct decision of_datagram(const struct instance *in, const struct flow *flow)
{
	if (flow->port != DNS)
		return pass(OUTBOUND_NOT_TCP);
	if (is_excluded(in, flow))
		return pass(OUTBOUND_EXCLUSION);
	if (!(in->flags & (flow->is_ipv4 ? DNS_OF_IPV4 : DNS_OF_IPV6)))
		return pass(OUTBOUND_NOT_TCP);
	if (flow->uid == in->sidecar)
		return pass(OUTBOUND_DNS_FROM_SIDECAR);
	if (in->flags & DNS_OF_ANY_SERVER || is_listed(in, &flow->to, NAME_SERVER))
		return redirect(OUTBOUND_DNS, in->dns);
	return pass(OUTBOUND_NOT_TCP);
}

/* What goes to an address of this host. */
INLINE struct decision to_self(const struct instance *in, const struct flow *flow)
{
	/* IPv6 chooses an own destination as the source, too. */
	if (is_passthrough(!flow->is_ipv4 && is_unspecified(&flow->from) ? &flow->to : &flow->from))
		return pass(OUTBOUND_PASSTHROUGH_SOURCE);
	if (flow->uid != in->sidecar)
		return pass(OUTBOUND_APP_TO_SELF);
	if (is_localhost(&flow->to) || !in->inbound)
		return pass(OUTBOUND_SIDECAR);
	return redirect(OUTBOUND_SIDECAR_TO_SELF, in->inbound);
}

INLINE struct decision of_connection(const struct instance *in, const struct flow *flow)
{
	int own = is_own(in, &flow->to);
	int by_sidecar = flow->uid == in->sidecar;
	/* Or it would be accepted by the sidecar, who would call there, without end. */
	if (by_sidecar && own && !is_localhost(&flow->to) && flow->port &&
	    (flow->port == in->inbound || flow->port == in->outbound))
		return refuse(OUTBOUND_SIDECAR_TO_LISTENER);
	if (is_excluded(in, flow))
		return pass(OUTBOUND_EXCLUSION);
	if (flow->port == DNS && in->flags & (flow->is_ipv4 ? DNS_OF_IPV4 : DNS_OF_IPV6) && !by_sidecar)
		return pass(OUTBOUND_DNS_OVER_TCP);
	if (!(in->flags & OUTBOUND_ON))
		return pass(OUTBOUND_OFF);
	int listed = in->flags & HAS_OUTBOUND_PORTS && has_port(in, OUTBOUND_PORTS, flow->port);
	if (listed && !(in->flags & OUTBOUND_INCLUDES))
		return pass(OUTBOUND_EXCLUDED_PORT);
	if (own)
		return to_self(in, flow);
	if (by_sidecar)
		return pass(OUTBOUND_SIDECAR);
	if (!listed && in->flags & OUTBOUND_INCLUDES)
		return pass(OUTBOUND_NOT_INCLUDED_PORT);
	return redirect(OUTBOUND_CAPTURED, in->outbound);
}

INLINE struct decision decide(const struct instance *in, const struct flow *flow)
{
	if (!(in->flags & (flow->is_ipv4 ? CAPTURES_IPV4 : CAPTURES_IPV6)))
		return pass(OUTBOUND_FAMILY_OFF);
	return flow->is_udp ? of_datagram(in, flow) : of_connection(in, flow);
}

#endif
