/* What a caller sees of the other end: the one it called, not the sidecar. */
#ifndef TPROXY_ANSWER_H
#define TPROXY_ANSWER_H

#include "address.h"

/* What the socket called, where `from` is the sidecar that took the call. */
INLINE struct socket *called_by(struct bpf_sock_addr *context, const struct address *from)
{
	struct bpf_sock *socket = context->sk;
	if (!socket)
		return 0;
	struct socket *known = socket_storage(&tproxy_sockets, socket, 0, 0);
	if (!known || !known->known || known->role != CLIENT || known->by != swap16((__u16)context->user_port) ||
	    !is_same(from, &known->sent))
		return 0;
	return known;
}

INLINE int show_4(struct bpf_sock_addr *context)
{
	struct address from = of_ipv4(context->user_ip4);
	struct socket *known = called_by(context, &from);
	if (known) {
		context->user_ip4 = known->original.word[3];
		context->user_port = known->port;
	}
	return 1;
}

#endif
