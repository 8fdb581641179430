/* What bind() of both families shares. */
#ifndef TPROXY_BIND_H
#define TPROXY_BIND_H

#include "role.h"

INLINE int note_namespace(struct bpf_sock_addr *context)
{
	__u64 netns = netns_cookie(context);
	struct instance *in = map_lookup(&tproxy_instance, &netns);
	if (!in || context->protocol == IPPROTO_UDP || !role_of(in, swap16((__u16)context->user_port)))
		return 1;
	struct bpf_sock *socket = context->sk;
	struct socket *known =
		socket ? socket_storage(&tproxy_sockets, socket, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	if (known)
		known->netns = netns;
	return 1;
}

#endif
