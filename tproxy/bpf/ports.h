/* Sets of ports. */
#ifndef TPROXY_PORTS_H
#define TPROXY_PORTS_H

#include "layout.h"

INLINE int has_port(const struct instance *instance, __u16 set, __u16 port)
{
	struct ports_key key = { .generation = instance->generation, .set = set, .block = port / BLOCK };
	struct ports_block *block = map_lookup(&tproxy_ports, &key);
	if (!block)
		return 0;
	return block->bits[port % BLOCK / 64] >> port % 64 & 1;
}

INLINE int is_in(const struct instance *instance, __u16 set, __u16 port)
{
	return set == EVERY_PORT || (set != NO_PORT && has_port(instance, set, port));
}

#endif
