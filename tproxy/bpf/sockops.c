/* The life of connections: listeners of the sidecar are found, and the original destination goes from the caller's socket
   to the accepted one. */
#include "address.h"
#include "role.h"

/* Whether the kernel tells the network namespace here (Linux 5.15). */
const volatile __u8 TELLS_NETNS = 1;

enum { SYN_SENT = 2, CLOSED = 7 };

#define OF(context, field) FIELD(context, struct bpf_sock_ops, field)

INLINE struct address local(struct bpf_sock_ops *context)
{
	if (OF(context, family) == AF_INET)
		return of_ipv4(OF(context, local_ip4));
	struct address address = { .word = { OF(context, local_ip6[0]), OF(context, local_ip6[1]),
					     OF(context, local_ip6[2]), OF(context, local_ip6[3]) } };
	return address;
}

INLINE struct address remote(struct bpf_sock_ops *context)
{
	if (OF(context, family) == AF_INET)
		return of_ipv4(OF(context, remote_ip4));
	struct address address = { .word = { OF(context, remote_ip6[0]), OF(context, remote_ip6[1]),
					     OF(context, remote_ip6[2]), OF(context, remote_ip6[3]) } };
	return address;
}

/* In network order, in a word whose other half is 0. */
INLINE __u16 remote_port(struct bpf_sock_ops *context)
{
	return swap32(OF(context, remote_port));
}

/* The key of a connection, at the end that called. */
INLINE struct pending_key called(struct bpf_sock_ops *context, __u64 netns)
{
	struct pending_key key = { .netns = netns, .client = local(context), .listener = remote(context) };
	key.client_port = OF(context, local_port);
	key.listener_port = remote_port(context);
	return key;
}

INLINE void on_listen(struct bpf_sock_ops *context, struct bpf_sock *socket)
{
	struct socket *known = socket_storage(&tproxy_sockets, socket, 0, 0);
	__u64 netns = known ? known->netns : 0;
	if (!netns && TELLS_NETNS)
		netns = netns_cookie(context);
	struct instance *in = netns ? map_lookup(&tproxy_instance, &netns) : 0;
	if (!in)
		return;
	__u16 port = OF(context, local_port);
	__u8 role = role_of(in, port);
	if (!role)
		return;
	known = socket_storage(&tproxy_sockets, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!known)
		return;
	known->netns = netns;
	known->role = role;
	known->known = 0;
	struct listener_key key = { .netns = netns, .port = port, .family = OF(context, family) };
	for (int slot = 0; slot < SLOTS; slot++) {
		key.slot = slot;
		if (!sock_hash_update(context, &tproxy_listen, &key, BPF_NOEXIST))
			break;
	}
}

INLINE void on_connect(struct bpf_sock_ops *context, struct bpf_sock *socket)
{
	struct socket *known = socket_storage(&tproxy_sockets, socket, 0, 0);
	if (!known || known->role != CLIENT || !known->known)
		return;
	struct pending_key key = called(context, known->netns);
	struct pending pending = { .original = known->original, .port = known->port };
	map_update(&tproxy_pending, &key, &pending, BPF_ANY);
	/* What others watch on this socket they go on to watch. */
	watch(context, OF(context, bpf_sock_ops_cb_flags) | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* A call that nobody took leaves nothing. */
INLINE void on_failure(struct bpf_sock_ops *context, struct bpf_sock *socket)
{
	struct socket *known = socket_storage(&tproxy_sockets, socket, 0, 0);
	if (!known || known->role != CLIENT || !known->known)
		return;
	struct pending_key key = called(context, known->netns);
	map_delete(&tproxy_pending, &key);
}

INLINE void on_accept(struct bpf_sock_ops *context, struct bpf_sock *socket)
{
	struct socket *known = socket_storage(&tproxy_sockets, socket, 0, 0);
	if (!known || (known->role != INBOUND && known->role != OUTBOUND))
		return;
	struct pending_key key = { .netns = known->netns, .client = remote(context), .listener = local(context) };
	key.client_port = remote_port(context);
	key.listener_port = OF(context, local_port);
	struct pending *pending = map_lookup(&tproxy_pending, &key);
	if (!pending)
		return;
	known->original = pending->original;
	known->port = pending->port;
	known->guest_port = pending->guest_port;
	known->known = 1;
	map_delete(&tproxy_pending, &key);
}

/* Whether a call is one of the few that matter here. The kernel makes a dozen for each connection. */
INLINE int matters(struct bpf_sock_ops *context, __u32 what)
{
	if (what == BPF_SOCK_OPS_STATE_CB)
		return OF(context, args[0]) == SYN_SENT && OF(context, args[1]) == CLOSED;
	return what == BPF_SOCK_OPS_TCP_LISTEN_CB || what == BPF_SOCK_OPS_TCP_CONNECT_CB ||
	       what == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
}

SECTION("sockops") int tproxy_sockops(struct bpf_sock_ops *context)
{
	__u32 what = OF(context, op);
	if (!matters(context, what))
		return 1;
	__u32 family = OF(context, family);
	if (family != AF_INET && family != AF_INET6)
		return 1;
	struct bpf_sock *socket = context->sk;
	if (!socket)
		return 1;
	if (what == BPF_SOCK_OPS_TCP_LISTEN_CB)
		on_listen(context, socket);
	else if (what == BPF_SOCK_OPS_TCP_CONNECT_CB)
		on_connect(context, socket);
	else if (what == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		on_accept(context, socket);
	else
		on_failure(context, socket);
	return 1;
}
