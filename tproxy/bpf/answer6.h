/* The same for IPv6 sockets. */
#ifndef TPROXY_ANSWER6_H
#define TPROXY_ANSWER6_H

#include "answer.h"
#include "ipv6.h"

INLINE int show_6(struct bpf_sock_addr *context)
{
	struct address from = called_6(context);
	struct socket *known = called_by(context, &from);
	if (known) {
		struct address original = known->original;
		call_6(context, &original, known->port);
	}
	return 1;
}

#endif
