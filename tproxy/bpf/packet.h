/* Packets of TCP and UDP on an interface: read, and given another address. Must never decide where they go. */
#ifndef TPROXY_PACKET_H
#define TPROXY_PACKET_H

#include "address.h"

/* What a program of an interface says: others decide (TC_ACT_UNSPEC), or it goes nowhere (TC_ACT_SHOT). */
#define NEXT -1
#define NOWHERE 2

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

struct packet {
	struct address from, to;
	__u32 network, transport; /* where these headers begin */
	__u16 from_port, to_port;
	__u8 protocol, is_ipv4;
	__u8 flags;   /* of TCP */
	__u8 is_part; /* the rest comes in other packets, or it goes somewhere else first: nobody can lead it elsewhere */
};

struct ipv4_header {
	__u8 version_and_length, service;
	__u16 length, id, fragment;
	__u8 hops, protocol;
	__u16 checksum;
	__u32 from, to;
};

struct ipv6_header {
	__u32 version;
	__u16 length;
	__u8 next, hops;
	struct address from, to;
};

struct extension {
	__u8 next, length;
	__u8 kind, segments_left; /* of a fragment: its place, in network order, and whether there are more in the last bit */
	__u32 id;
};

enum extension_kind { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTHENTICATION = 51, DESTINATION = 60 };
/* Longer chains of them are sent by nobody who means well. */
#define EXTENSIONS 4

/* What a packet is to whoever reads it. Of one that cannot be read it is not known what it belongs to: to let it pass would
   be a way around. */
enum reading { OF_OTHERS, READ, UNREADABLE };

/* A part of a packet that does not have its beginning, at this offset, in units of 8 bytes. It goes nowhere without the
   beginning; but one that begins within the header of TCP could give this other flags than were seen (RFC 1858). */
INLINE enum reading without_beginning(__u16 offset, __u8 protocol)
{
	return offset == 1 && protocol == IPPROTO_TCP ? UNREADABLE : OF_OTHERS;
}

INLINE enum reading read_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv4_header header;
	packet->is_ipv4 = 1;
	if (skb_load(skb, packet->network, &header, sizeof(header)))
		return UNREADABLE;
	__u16 fragment = swap16(header.fragment);
	if (fragment & 0x1fff)
		return without_beginning(fragment & 0x1fff, header.protocol);
	packet->is_part = (fragment & 0x2000) != 0;
	packet->protocol = header.protocol;
	packet->from = of_ipv4(header.from);
	packet->to = of_ipv4(header.to);
	packet->transport = packet->network + (header.version_and_length & 0xf) * 4;
	return READ;
}

INLINE int is_extension(__u8 kind)
{
	return kind == HOP_BY_HOP || kind == ROUTING || kind == FRAGMENT || kind == AUTHENTICATION || kind == DESTINATION;
}

INLINE enum reading read_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_header header;
	if (skb_load(skb, packet->network, &header, sizeof(header)))
		return UNREADABLE;
	packet->from = header.from;
	packet->to = header.to;
	__u32 at = packet->network + sizeof(header);
	__u8 next = header.next;
	for (int number = 0; number < EXTENSIONS && is_extension(next); number++) {
		struct extension extension;
		if (skb_load(skb, at, &extension, sizeof(extension)))
			return UNREADABLE;
		if (next == FRAGMENT) {
			__u16 offset = swap16(extension.kind | (__u16)extension.segments_left << 8) >> 3;
			if (offset)
				return without_beginning(offset, extension.next);
			packet->is_part |= extension.segments_left & 1;
			at += sizeof(extension);
		} else if (next == AUTHENTICATION) {
			/* It vouches for the addresses. Its length counts differently from all others' (RFC 4302). */
			packet->is_part = 1;
			at += (extension.length + 2) * 4;
		} else {
			packet->is_part |= next == ROUTING && extension.segments_left;
			at += sizeof(extension) + extension.length * 8;
		}
		next = extension.next;
	}
	packet->protocol = next;
	packet->transport = at;
	return is_extension(next) ? UNREADABLE : READ;
}

/* Reads a packet that begins at `network`. Those of neither TCP nor UDP are others'. */
INLINE enum reading read_packet(struct __sk_buff *skb, struct packet *packet, __u32 network)
{
	/* A frame of a VLAN is not for this interface; a tag that says a priority alone is none. */
	if (skb->vlan_present && skb->vlan_tci & 0xfff)
		return OF_OTHERS;
	packet->network = network;
	__u32 protocol = skb->protocol;
	if (protocol != swap16(ETH_P_IP) && protocol != swap16(ETH_P_IPV6))
		return OF_OTHERS;
	enum reading reading = protocol == swap16(ETH_P_IP) ? read_ipv4(skb, packet) : read_ipv6(skb, packet);
	if (reading != READ)
		return reading;
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return OF_OTHERS;
	__u16 ports[2];
	if (skb_load(skb, packet->transport, ports, sizeof(ports)) ||
	    (packet->protocol == IPPROTO_TCP && skb_load(skb, packet->transport + 13, &packet->flags, 1)))
		return UNREADABLE;
	packet->from_port = swap16(ports[0]);
	packet->to_port = swap16(ports[1]);
	return READ;
}

INLINE int other_address(struct __sk_buff *skb, const struct packet *packet, int at_source, struct address *address,
			 __u32 checksum, __u64 flags)
{
	struct address before = at_source ? packet->from : packet->to;
	if (packet->is_ipv4) {
		__u32 was = before.word[3], is = address->word[3];
		return replace_in_l4(skb, checksum, was, is, flags | BPF_F_PSEUDO_HDR | sizeof(is)) ||
		       replace_in_l3(skb, packet->network + 10, was, is, sizeof(is)) ||
		       skb_store(skb, packet->network + (at_source ? 12 : 16), &is, sizeof(is), 0);
	}
	__s64 change = checksum_change(&before, sizeof(before), address, sizeof(*address), 0);
	/* IPv6 has no checksum of its own, which the sum over a whole packet would have to be told of. */
	return replace_in_l4(skb, checksum, 0, change, flags | BPF_F_PSEUDO_HDR) ||
	       skb_store(skb, packet->network + (at_source ? 8 : 24), address, sizeof(*address), BPF_F_RECOMPUTE_CSUM);
}

/* Gives a packet another address, at its source or its destination, and other ports. Not 0 where that fails, half-way. */
INLINE int rewrite(struct __sk_buff *skb, const struct packet *packet, int at_source, struct address *address,
		   __u16 from_port, __u16 to_port)
{
	__u32 checksum = packet->transport + (packet->protocol == IPPROTO_TCP ? 16 : 6);
	__u64 flags = packet->protocol == IPPROTO_TCP ? 0 : BPF_F_MARK_MANGLED_0;
	if (other_address(skb, packet, at_source, address, checksum, flags))
		return 1;
	__u32 was = swap16(packet->from_port) | (__u32)swap16(packet->to_port) << 16;
	__u32 is = swap16(from_port) | (__u32)swap16(to_port) << 16;
	return replace_in_l4(skb, checksum, was, is, flags | sizeof(is)) ||
	       skb_store(skb, packet->transport, &is, sizeof(is), 0);
}

#endif
