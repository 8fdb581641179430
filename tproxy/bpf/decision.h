/* Decisions, and their counters. */
#ifndef TPROXY_DECISION_H
#define TPROXY_DECISION_H

#include "layout.h"

enum verdict { PASS, REDIRECT, REFUSE };

struct decision {
	__u8 verdict;
	__u8 line;
	__u16 port; /* of the sidecar, where it is a redirection */
};

INLINE struct decision pass(__u8 line)
{
	struct decision decision = { .verdict = PASS, .line = line };
	return decision;
}

INLINE struct decision redirect(__u8 line, __u16 port)
{
	struct decision decision = { .verdict = REDIRECT, .line = line, .port = port };
	return decision;
}

INLINE struct decision refuse(__u8 line)
{
	struct decision decision = { .verdict = REFUSE, .line = line };
	return decision;
}

INLINE void count(__u64 netns, int is_ipv4, __u8 line)
{
	struct counters *counters = map_lookup(&tproxy_counters, &netns);
	if (counters && line < LINES)
		counters->count[is_ipv4 ? 0 : 1][line]++;
}

#endif
