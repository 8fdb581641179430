/* What goes to guests: answers of the sidecar come from where the guest called. */
#include "guest.h"

INLINE struct guest_key answer_of(const struct packet *packet)
{
	struct guest_key answer = { .guest = packet->to };
	answer.side = AS_HOST_ANSWERS | OF_PROTOCOL(packet->protocol);
	if (packet->protocol == IPPROTO_TCP)
		answer.host = packet->from;
	answer.guest_port = packet->to_port;
	answer.host_port = packet->from_port;
	return answer;
}

/* A connection that was forgotten, since so many others came, is known to its socket. */
INLINE int remember(struct __sk_buff *skb, const struct guest_key *answer, struct guest *original)
{
	struct bpf_sock *socket = skb->sk;
	if (!socket)
		return 0;
	socket = full_socket(socket);
	struct socket *known = socket ? socket_storage(&tproxy_sockets, socket, 0, 0) : 0;
	if (!known || known->role != OUTBOUND || !known->known || !known->guest_port)
		return 0;
	original->host = known->original;
	original->guest_port = known->guest_port;
	original->host_port = swap16(known->port);
	original->ended = 0;
	struct guest_key call = { .guest = answer->guest, .host = original->host };
	call.side = AS_GUEST_CALLS | OF_PROTOCOL(IPPROTO_TCP);
	call.guest_port = original->guest_port;
	call.host_port = original->host_port;
	struct guest taken = { .host = answer->host, .guest_port = answer->guest_port, .host_port = answer->host_port };
	return !map_update(&tproxy_guests, answer, original, BPF_ANY) &&
	       !map_update(&tproxy_guests, &call, &taken, BPF_ANY);
}

INLINE int of_connection_out(struct __sk_buff *skb, const struct packet *packet)
{
	__u64 netns = NETNS;
	struct guest_key answer = answer_of(packet);
	struct guest *known = known_as(&answer), original = {};
	if (known)
		original = *known;
	else if (!remember(skb, &answer, &original))
		return NEXT;
	if (packet->is_part || rewrite(skb, packet, 1, &original.host, original.host_port, original.guest_port))
		return NOWHERE;
	if (packet->flags & (FIN | RST)) {
		struct guest_key call = { .guest = packet->to, .host = original.host };
		call.side = AS_GUEST_CALLS | OF_PROTOCOL(IPPROTO_TCP);
		call.guest_port = original.guest_port;
		call.host_port = original.host_port;
		note_end(netns, &call, &answer, packet->flags, BY_HOST);
	}
	return NEXT;
}

SECTION("classifier/vnet_out") int tproxy_vnet_out(struct __sk_buff *skb)
{
	__u64 netns = NETNS;
	struct instance *in = map_lookup(&tproxy_instance, &netns);
	struct interface *by = in ? interface_of(in, skb->ifindex) : 0;
	struct packet packet = {};
	if (!by || read_packet(skb, &packet, by->what & WITHOUT_HEADER ? 0 : 14) != READ)
		return NEXT;
	if (packet.protocol == IPPROTO_TCP)
		return of_connection_out(skb, &packet);
	struct guest_key answer = answer_of(&packet);
	struct guest *known = map_lookup(&tproxy_passing, &answer);
	/* What is forwarded is of somebody else. */
	if (!known || !is_own(in, &packet.from))
		return NEXT;
	struct guest original = *known;
	/* Where the rest of an answer comes in other packets, they cannot be told to belong to it. */
	if (packet.is_part || rewrite(skb, &packet, 1, &original.host, original.host_port, original.guest_port))
		return NOWHERE;
	return NEXT;
}
