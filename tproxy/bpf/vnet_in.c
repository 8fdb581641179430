/* What guests send: where it leaves their networks, it is led to the sidecar, as are their queries. One copy of this program
   is loaded for each network namespace that has virtual networks. */
#include "decision.h"
#include "guest.h"

#define QUERY 53

INLINE int is_inside(const struct instance *in, const struct interface *by, const struct address *to)
{
	__u32 number = OF_INTERFACE(by->number);
	return longest(&tproxy_networks, in, to, VNET_4 | number, VNET_6 | number) != 0;
}

INLINE struct guest_key call_of(const struct packet *packet)
{
	struct guest_key call = { .guest = packet->from, .host = packet->to };
	call.side = AS_GUEST_CALLS | OF_PROTOCOL(packet->protocol);
	call.guest_port = packet->from_port;
	call.host_port = packet->to_port;
	return call;
}

/* The way on for a packet that was led elsewhere. One that comes over a bridge may have passed connection tracking there, as
   what it was: it arrives anew, as what it is. */
INLINE int go_on(struct __sk_buff *skb, const struct interface *by)
{
	return by->what & BRIDGE ? send_to(skb->ifindex, BPF_F_INGRESS) : NEXT;
}

/* Whether a packet was led elsewhere already, to `own`. */
INLINE int was_led(const struct packet *packet, const struct address *own)
{
	if (!is_same(&packet->to, own))
		return 0;
	struct guest_key answer = { .guest = packet->from };
	answer.side = AS_HOST_ANSWERS | OF_PROTOCOL(packet->protocol);
	if (packet->protocol == IPPROTO_TCP)
		answer.host = packet->to;
	answer.guest_port = packet->from_port;
	answer.host_port = packet->to_port;
	return known_as(&answer) != 0;
}

INLINE int lead(struct __sk_buff *skb, const struct interface *by, const struct packet *packet, struct guest *taken)
{
	if (rewrite(skb, packet, 0, &taken->host, taken->guest_port, taken->host_port))
		return NOWHERE;
	return go_on(skb, by);
}

/* Whether answers to a query that is known find their way back: both sides may be forgotten one by one. */
INLINE int is_answered(const struct guest *taken, const struct guest_key *call)
{
	struct guest_key answer = { .guest = call->guest, .guest_port = taken->guest_port, .host_port = taken->host_port };
	answer.side = AS_HOST_ANSWERS | OF_PROTOCOL(IPPROTO_UDP);
	return map_lookup(&tproxy_passing, &answer) != 0;
}

INLINE int of_query(struct __sk_buff *skb, const struct instance *in, const struct interface *by,
		    const struct packet *packet, const struct address *own)
{
	if (packet->to_port != QUERY || !(in->flags & (packet->is_ipv4 ? DNS_OF_IPV4 : DNS_OF_IPV6)))
		return NEXT;
	struct guest_key call = call_of(packet);
	struct guest *known = map_lookup(&tproxy_passing, &call), taken = {};
	if (known && known->host_port == in->dns && is_same(&known->host, own) && is_answered(known, &call)) {
		taken = *known;
		return packet->is_part ? NOWHERE : lead(skb, by, packet, &taken);
	}
	count(NETNS, packet->is_ipv4, INBOUND_VNET_DNS);
	if (packet->is_part || is_unspecified(own) ||
	    !note_call(&tproxy_passing, &call, own, in->dns, IPPROTO_UDP, &taken))
		return NOWHERE;
	return lead(skb, by, packet, &taken);
}

/* The first packet of a connection that is captured. */
INLINE int take_call(const struct instance *in, const struct packet *packet, const struct address *own,
		     const struct guest_key *call, struct guest *taken)
{
	__u64 netns = NETNS;
	count(netns, packet->is_ipv4, INBOUND_VNET_TCP);
	if (packet->is_part || is_unspecified(own) ||
	    !note_call(&tproxy_guests, call, own, in->outbound, IPPROTO_TCP, taken))
		return 0;
	struct guest_key answer = { .guest = packet->from, .host = *own, .host_port = in->outbound };
	answer.guest_port = taken->guest_port;
	struct pending_key key = expected(netns, &answer);
	struct pending pending = { .original = packet->to, .port = swap16(packet->to_port) };
	pending.guest_port = packet->from_port;
	return !map_update(&tproxy_pending, &key, &pending, BPF_ANY);
}

INLINE int of_connection_in(struct __sk_buff *skb, const struct instance *in, const struct interface *by,
			    const struct packet *packet, const struct address *own)
{
	__u64 netns = NETNS;
	struct guest_key call = call_of(packet);
	struct guest taken = {};
	if ((packet->flags & (SYN | ACK)) != SYN) {
		/* The rest is of connections that were not captured, or that somebody called the guest by. */
		struct guest *known = known_as(&call);
		if (!known)
			return NEXT;
		taken = *known;
	} else if (is_inside(in, by, &packet->to)) {
		/* Nothing that was forgotten may be taken for this one. */
		struct pending_key key = expected(netns, &call);
		if (packet->to_port == in->outbound)
			map_delete(&tproxy_pending, &key);
		return NEXT;
	} else if (!take_call(in, packet, own, &call, &taken)) {
		return NOWHERE;
	}
	if (packet->is_part || rewrite(skb, packet, 0, &taken.host, taken.guest_port, taken.host_port))
		return NOWHERE;
	if (packet->flags & (FIN | RST)) {
		struct guest_key answer = { .guest = packet->from, .host = taken.host };
		answer.side = AS_HOST_ANSWERS | OF_PROTOCOL(IPPROTO_TCP);
		answer.guest_port = taken.guest_port;
		answer.host_port = taken.host_port;
		note_end(netns, &call, &answer, packet->flags, BY_GUEST);
	}
	return go_on(skb, by);
}

SECTION("classifier/vnet_in") int tproxy_vnet_in(struct __sk_buff *skb)
{
	__u64 netns = NETNS;
	struct instance *in = map_lookup(&tproxy_instance, &netns);
	/* Frames for others are seen by whoever listens to all. */
	if (!in || skb->pkt_type != 0)
		return NEXT;
	struct interface *by = interface_of(in, skb->ifindex);
	struct packet packet = {};
	enum reading reading = by ? read_packet(skb, &packet, by->what & WITHOUT_HEADER ? 0 : 14) : OF_OTHERS;
	if (reading == OF_OTHERS)
		return NEXT;
	if (!(in->flags & (packet.is_ipv4 ? CAPTURES_IPV4 : CAPTURES_IPV6)) ||
	    !(by->what & (packet.is_ipv4 ? VNET_OF_IPV4 : VNET_OF_IPV6)))
		return NEXT;
	if (reading == UNREADABLE)
		return NOWHERE;
	struct address own = packet.is_ipv4 ? by->own[0] : by->own[1];
	if (by->what & BRIDGE && was_led(&packet, &own))
		return NEXT;
	return packet.protocol == IPPROTO_UDP ? of_query(skb, in, by, &packet, &own)
					      : of_connection_in(skb, in, by, &packet, &own);
}
