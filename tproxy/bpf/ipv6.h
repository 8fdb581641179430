/* Addresses of calls on IPv6 sockets, IPv4-mapped ones included. */
#ifndef TPROXY_IPV6_H
#define TPROXY_IPV6_H

#include "address.h"

INLINE struct address called_6(const struct bpf_sock_addr *context)
{
	struct address address = { .word = { context->user_ip6[0], context->user_ip6[1], context->user_ip6[2],
					     context->user_ip6[3] } };
	return address;
}

INLINE void call_6(struct bpf_sock_addr *context, const struct address *to, __u32 port)
{
	context->user_ip6[0] = to->word[0];
	context->user_ip6[1] = to->word[1];
	context->user_ip6[2] = to->word[2];
	context->user_ip6[3] = to->word[3];
	context->user_port = port;
}

#endif
