/* What is known of what guests call: entries of both sides, made and removed together. */
#ifndef TPROXY_GUEST_H
#define TPROXY_GUEST_H

#include "packet.h"

/* So many ports are tried for a call whose own port is taken, on the sidecar's side, by another call of the same guest. */
#define TRIES 6

/* All of it at once: each branch here is one for every try, and the verifier follows all. */
INLINE int is_same_guest(const struct guest *a, const struct guest *b)
{
	const __u32 *x = a->host.word, *y = b->host.word;
	__u32 differs = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]);
	return !(differs | (a->guest_port ^ b->guest_port) | (a->host_port ^ b->host_port));
}

/* The port that is tried next: the same ones each time, so that a call that was forgotten is given its own again. */
INLINE __u16 another_port(const struct guest_key *call, int number)
{
	__u32 mixed = call->host.word[3] ^ call->host.word[2] ^ call->guest_port * 0x9e3779b1u;
	mixed = (mixed ^ call->host_port << 8 ^ (number + 1)) * 0x85ebca6bu;
	return 1024 + (mixed >> 8) % (65536 - 1024);
}

/* What the other side calls the same; none where it is not known. */
INLINE struct guest *known_as(const struct guest_key *key)
{
	struct guest *known = map_lookup(&tproxy_guests, key);
	return known ? known : map_lookup(&tproxy_passing, key);
}

/* Notes that what a guest calls goes to `taker` of this host, and from which port: `taken` is told. 0 where no port is left. */
INLINE int note_call(void *map, const struct guest_key *call, const struct address *taker, __u16 port, __u8 protocol,
		     struct guest *taken)
{
	struct guest original = { .host = call->host, .guest_port = call->guest_port, .host_port = call->host_port };
	struct guest_key answer = { .guest = call->guest, .host_port = port };
	answer.side = AS_HOST_ANSWERS | OF_PROTOCOL(protocol);
	if (protocol == IPPROTO_TCP)
		answer.host = *taker;
	answer.guest_port = call->guest_port;
	for (int number = 0; number < TRIES; number++) {
		struct guest *there = known_as(&answer);
		/* Another processor may take it first. */
		if (there ? is_same_guest(there, &original) && !map_update(map, &answer, &original, BPF_ANY)
			  : !map_update(map, &answer, &original, BPF_NOEXIST)) {
			taken->host = *taker;
			taken->guest_port = answer.guest_port;
			taken->host_port = port;
			taken->ended = 0;
			return !map_update(map, call, taken, BPF_ANY);
		}
		answer.guest_port = another_port(call, number);
	}
	return 0;
}

/* How the sidecar's end sees a connection before it is accepted. */
INLINE struct pending_key expected(__u64 netns, const struct guest_key *answer)
{
	struct pending_key key = { .netns = netns, .client = answer->guest, .listener = answer->host };
	key.client_port = answer->guest_port;
	key.listener_port = answer->host_port;
	return key;
}

/* Notes that one end, `end`, said its last word, or broke the connection off; behind both, only what is late still comes. */
INLINE void note_end(__u64 netns, const struct guest_key *call, const struct guest_key *answer, __u8 flags, __u32 end)
{
	struct guest *called = map_lookup(&tproxy_guests, call), *answered = map_lookup(&tproxy_guests, answer);
	if (!called || !answered)
		return;
	called->ended |= end;
	answered->ended |= end;
	if (!(flags & RST) && called->ended != (BY_GUEST | BY_HOST))
		return;
	struct pending_key key = expected(netns, answer);
	map_delete(&tproxy_pending, &key);
	struct guest late = *called;
	map_update(&tproxy_passing, call, &late, BPF_ANY);
	map_delete(&tproxy_guests, call);
	late = *answered;
	map_update(&tproxy_passing, answer, &late, BPF_ANY);
	map_delete(&tproxy_guests, answer);
}

#endif
