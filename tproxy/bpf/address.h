/* Addresses: what they are, and whose. Must never look at a flow. */
#ifndef TPROXY_ADDRESS_H
#define TPROXY_ADDRESS_H

#include "layout.h"

INLINE struct address of_ipv4(__u32 ip)
{
	struct address address = { .word = { 0, 0, swap32(0xffff), ip } };
	return address;
}

INLINE int is_ipv4(const struct address *a)
{
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == swap32(0xffff);
}

INLINE int is_same(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

/* ::N, or 0.0.0.N where `last` is all of an IPv4 address. */
INLINE int is_ipv6_number(const struct address *a, __u32 number)
{
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == 0 && a->word[3] == swap32(number);
}

INLINE int is_unspecified(const struct address *a)
{
	return is_ipv4(a) ? a->word[3] == 0 : is_ipv6_number(a, 0);
}

/* 127.0.0.1 and ::1; connecting to the unspecified address means them. */
INLINE int is_localhost(const struct address *a)
{
	return is_unspecified(a) || (is_ipv4(a) ? a->word[3] == swap32(0x7f000001) : is_ipv6_number(a, 1));
}

/* 127.0.0.0/8 and ::1. */
INLINE int is_loopback(const struct address *a)
{
	return is_localhost(a) || (is_ipv4(a) && (swap32(a->word[3]) >> 24) == 127);
}

/* From where a sidecar calls its own application: 127.0.0.6 and ::6. */
INLINE int is_passthrough(const struct address *a)
{
	return is_ipv4(a) ? a->word[3] == swap32(0x7f000006) : is_ipv6_number(a, 6);
}

INLINE int is_listed(const struct instance *instance, const struct address *a, __u32 kind)
{
	struct address_key key = { .generation = instance->generation, .kind = kind, .address = *a };
	return map_lookup(&tproxy_address, &key) != 0;
}

/* Whether packets to this address stay on this host. */
INLINE int is_own(const struct instance *instance, const struct address *a)
{
	return is_loopback(a) || is_listed(instance, a, OWN);
}

INLINE struct interface *interface_of(const struct instance *instance, __u32 index)
{
	struct interface_key key = { .generation = instance->generation, .index = index };
	return map_lookup(&tproxy_interface, &key);
}

/* The value of the longest network that holds an address. */
INLINE void *longest(void *map, const struct instance *instance, const struct address *a, __u32 kind_4, __u32 kind_6)
{
	struct network_key key = { .generation = instance->generation };
	if (is_ipv4(a)) {
		key.prefix = 64 + 32;
		key.kind = kind_4;
		key.word[0] = a->word[3];
	} else {
		key.prefix = 64 + 128;
		key.kind = kind_6;
		key.word[0] = a->word[0];
		key.word[1] = a->word[1];
		key.word[2] = a->word[2];
		key.word[3] = a->word[3];
	}
	return map_lookup(map, &key);
}

#endif
