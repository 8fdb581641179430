/* Connections that arrive: the kernel asks which listener takes one. One copy of this program is loaded for each network
   namespace. */
#include "address.h"
#include "decision.h"
#include "ports.h"

/* The namespace that this copy belongs to. */
const volatile __u64 NETNS = 0;

/* Whether the kernel tells the interface here (Linux 5.17). */
const volatile __u8 TELLS_INTERFACE = 1;

#define OF(context, field) FIELD(context, struct bpf_sk_lookup, field)

/* A source that is an own address cannot come from outside: that is traffic of this host with itself. Its interface does not
   tell: to an own address it is that of the address, and kernels before 5.17 do not say it. */
INLINE int is_from_here(const struct instance *in, const struct address *from, const struct address *to)
{
	return is_loopback(from) || is_same(from, to) || is_listed(in, from, OWN);
}

INLINE struct decision of_arriving(const struct instance *in, const struct address *from, __u16 port, int ipv4,
				   __u32 interface)
{
	if (!(in->flags & (ipv4 ? CAPTURES_IPV4 : CAPTURES_IPV6)))
		return pass(INBOUND_FAMILY_OFF);
	if (!(in->flags & INBOUND_ON))
		return pass(INBOUND_OFF);
	if (in->flags & ONLY_BY_INTERFACE && !(interface & CAPTURED))
		return pass(INBOUND_OTHER_INTERFACE);
	if (interface & EXCLUDED)
		return pass(INBOUND_EXCLUDED_INTERFACE);
	if (in->flags & HAS_SOURCES && longest(&tproxy_networks, in, from, SOURCE_4, SOURCE_6))
		return pass(INBOUND_EXCLUDED_SOURCE);
	int listed = in->flags & HAS_INBOUND_PORTS && has_port(in, INBOUND_PORTS, port);
	if (in->flags & INBOUND_INCLUDES)
		return listed ? redirect(INBOUND_INCLUDED_PORT, in->inbound) : pass(INBOUND_NOT_INCLUDED_PORT);
	return listed ? pass(INBOUND_EXCLUDED_PORT) : redirect(INBOUND_CAPTURED, in->inbound);
}

/* What a guest calls was decided about where it came in, and has the outbound port since. Where rules of the other backend
   are about to go, or have just come, these take it for something that arrives, and lead it on to the inbound port. */
INLINE int is_of_guest(struct bpf_sk_lookup *context, const struct instance *in, struct pending_key *key)
{
	__u16 port = key->listener_port;
	if (port != in->outbound && port != in->inbound)
		return 0;
	key->client_port = swap16((__u16)OF(context, remote_port));
	key->listener_port = in->outbound;
	struct pending *pending = map_lookup(&tproxy_pending, key);
	if (!pending || !pending->guest_port)
		return 0;
	if (port != in->outbound) {
		struct pending same = *pending;
		key->listener_port = port;
		map_update(&tproxy_pending, key, &same, BPF_ANY);
	}
	return 1;
}

/* To a listener of the sidecar. */
INLINE int give_to(struct bpf_sk_lookup *context, __u64 netns, __u16 port)
{
	__u32 family = OF(context, family);
	struct listener_key key = { .netns = netns, .port = port };
	for (int slot = 0; slot < 2 * SLOTS; slot++) {
		key.slot = slot % SLOTS;
		/* An IPv6 listener may take IPv4, too. */
		key.family = slot < SLOTS ? family : AF_INET6;
		struct bpf_sock *listener = map_lookup(&tproxy_listen, &key);
		if (!listener)
			continue;
		long failed = assign(context, listener, 0);
		release(listener);
		if (!failed)
			return SK_PASS;
	}
	/* Nobody listens: refused, as a redirection to a port without a listener is. */
	return SK_DROP;
}

SECTION("sk_lookup") int tproxy_lookup(struct bpf_sk_lookup *context)
{
	if (OF(context, protocol) != IPPROTO_TCP)
		return SK_PASS;
	__u64 netns = NETNS;
	struct instance *in = map_lookup(&tproxy_instance, &netns);
	if (!in)
		return SK_PASS;
	__u32 family = OF(context, family);
	struct address from, to;
	if (family == AF_INET) {
		from = of_ipv4(OF(context, remote_ip4));
		to = of_ipv4(OF(context, local_ip4));
	} else {
		from.word[0] = OF(context, remote_ip6[0]);
		from.word[1] = OF(context, remote_ip6[1]);
		from.word[2] = OF(context, remote_ip6[2]);
		from.word[3] = OF(context, remote_ip6[3]);
		to.word[0] = OF(context, local_ip6[0]);
		to.word[1] = OF(context, local_ip6[1]);
		to.word[2] = OF(context, local_ip6[2]);
		to.word[3] = OF(context, local_ip6[3]);
	}
	if (is_from_here(in, &from, &to))
		return SK_PASS;
	__u16 port = OF(context, local_port);
	if (in->flags & HAS_VNETS) {
		struct pending_key key = { .netns = netns, .client = from, .listener = to, .listener_port = port };
		if (is_of_guest(context, in, &key))
			return port == in->outbound ? SK_PASS : give_to(context, netns, in->outbound);
	}
	struct interface *by = 0;
	if (TELLS_INTERFACE && in->flags & HAS_INTERFACES)
		by = interface_of(in, OF(context, ingress_ifindex));
	struct decision decision = of_arriving(in, &from, port, family == AF_INET, by ? by->what : 0);
	count(netns, family == AF_INET, decision.line);
	/* What goes to the inbound port itself finds its listener without help. */
	if (decision.verdict != REDIRECT || port == decision.port)
		return SK_PASS;
	return give_to(context, netns, decision.port);
}
