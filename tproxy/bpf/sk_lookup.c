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

/* What is said of the interface that the connection arrives by. */
INLINE __u32 interface_of(struct bpf_sk_lookup *context, const struct instance *in)
{
	struct interface_key key = { .generation = in->generation, .index = OF(context, ingress_ifindex) };
	struct interface *interface = map_lookup(&tproxy_interface, &key);
	return interface ? interface->what : 0;
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
	__u32 interface = TELLS_INTERFACE && in->flags & HAS_INTERFACES ? interface_of(context, in) : 0;
	struct decision decision = of_arriving(in, &from, port, family == AF_INET, interface);
	count(netns, family == AF_INET, decision.line);
	/* What goes to the inbound port itself finds its listener without help. */
	if (decision.verdict != REDIRECT || port == decision.port)
		return SK_PASS;
	struct listener_key key = { .netns = netns, .port = decision.port, .family = family };
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
