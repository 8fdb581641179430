/* What a listener is to an installation, by its port. */
#ifndef TPROXY_ROLE_H
#define TPROXY_ROLE_H

#include "layout.h"

INLINE __u8 role_of(const struct instance *in, __u16 port)
{
	if (!port)
		return NOBODY;
	if (port == in->inbound || port == in->next_inbound)
		return INBOUND;
	return port == in->outbound || port == in->next_outbound ? OUTBOUND : NOBODY;
}

#endif
