/* What lies in the maps. tproxy/src/ebpf/layout.rs writes it, and holds the same numbers: whoever changes one changes the
   other, and LAYOUT there, which is part of the name of the pin directory. */
#ifndef TPROXY_LAYOUT_H
#define TPROXY_LAYOUT_H

#include "kernel.h"
#include "lines.h"

/* An address of either family: IPv4 as ::ffff:a.b.c.d, in network order. */
struct address {
	__u32 word[4];
};

/* What an installation in one network namespace means. */
struct instance {
	__u64 digest;        /* of the plan, for status */
	__u64 contents;      /* digest of all that lies in the other maps for it */
	__u32 generation;    /* which entries of the other maps are its */
	__u32 flags;
	__u32 sidecar;       /* user id */
	__u16 inbound, outbound, dns; /* ports of the sidecar, 0 for none */
	__u16 next_inbound, next_outbound; /* those of an installation that is about to take the place of this one */
	__u16 unused;
};

enum flag {
	CAPTURES_IPV4 = 1 << 0,
	CAPTURES_IPV6 = 1 << 1,
	OUTBOUND_ON = 1 << 2,
	INBOUND_ON = 1 << 3,
	DNS_OF_IPV4 = 1 << 4,
	DNS_OF_IPV6 = 1 << 5,
	DNS_OF_ANY_SERVER = 1 << 6,
	OUTBOUND_INCLUDES = 1 << 7,
	INBOUND_INCLUDES = 1 << 8,
	/* The rest only saves look-ups. */
	HAS_OUTBOUND_PORTS = 1 << 9,
	HAS_INBOUND_PORTS = 1 << 10,
	HAS_USERS = 1 << 11,
	HAS_GROUPS = 1 << 12,
	HAS_NETWORKS = 1 << 13,
	HAS_SOURCES = 1 << 14,
	HAS_INTERFACES = 1 << 15,
	/* This one decides: what arrives elsewhere than by a named interface is left alone. */
	ONLY_BY_INTERFACE = 1 << 16,
	HAS_VNETS = 1 << 17,
};

/* A set of ports is a bit for each, in blocks; blocks without a bit are left out. */
#define BLOCK 512
struct ports_key {
	__u32 generation;
	__u16 set, block;
};
struct ports_block {
	__u64 bits[BLOCK / 64];
};
enum ports_set {
	OUTBOUND_PORTS = 0,
	INBOUND_PORTS = 1,
	/* Further ones belong to exclusions of users. */
	NO_PORT = 0xfffe,
	EVERY_PORT = 0xffff,
};

/* Ids are looked up by longest prefix, in network order. */
struct id_key {
	__u32 prefix;
	__u32 generation;
	__u32 id;
};
struct user_ports {
	__u16 tcp, udp; /* sets */
};

/* So are networks. IPv4 is no part of IPv6 here: ::/0 holds no IPv4 address. */
struct network_key {
	__u32 prefix;
	__u32 generation;
	__u32 kind;
	__u32 word[4]; /* IPv4: the first alone */
};
enum network_kind {
	DESTINATION_4 = 4,
	DESTINATION_6 = 6,
	SOURCE_4 = 0x104,
	SOURCE_6 = 0x106,
	/* Of virtual networks; the number of the interface stands before it. */
	VNET_4 = 0x204,
	VNET_6 = 0x206,
};
#define OF_INTERFACE(number) ((number) << 16)

struct address_key {
	__u32 generation;
	__u32 kind;
	struct address address;
};
enum address_kind {
	OWN = 0,
	NAME_SERVER = 1,
};

struct interface_key {
	__u32 generation;
	__u32 index;
};
/* What is said of an interface that traffic arrives by. */
struct interface {
	__u32 what;
	__u32 number;          /* which virtual networks are behind it */
	struct address own[2]; /* its address, IPv4 and IPv6; unspecified where it has none */
};
enum interface_flag {
	EXCLUDED = 1 << 0,
	CAPTURED = 1 << 1, /* where ONLY_BY_INTERFACE is set */
	VNET_OF_IPV4 = 1 << 2,
	VNET_OF_IPV6 = 1 << 3,
	WITHOUT_HEADER = 1 << 4, /* its packets begin with IP, not with Ethernet */
	BRIDGE = 1 << 5,
};

/* What is known of a socket. Connections that are accepted inherit it from their listener. */
struct socket {
	__u64 netns;
	struct address original; /* where it was going */
	struct address sent;     /* where it was sent instead */
	__u16 port;              /* to which port it was going, in network order */
	__u16 by;                /* the port of the sidecar that it was sent to */
	__u8 role;
	__u8 known; /* whether `original` counts */
	__u16 guest_port; /* from which port a guest called, before it was given another; 0 where none did */
};
enum role {
	NOBODY = 0,
	CLIENT = 1,
	INBOUND = 2,
	OUTBOUND = 3,
};

/* A captured connection between its first packet and its acceptance, as the sidecar's end sees it. */
struct pending_key {
	__u64 netns;
	struct address client, listener;
	__u16 client_port, listener_port;
	__u32 unused;
};
struct pending {
	struct address original;
	__u16 port;
	__u16 guest_port; /* as in `struct socket` */
};

/* A guest is whoever calls from a virtual network: a machine or container behind an interface of this host. What it calls is
   led to an address of this host, so that the sidecar can take it, and the answers come back as from where it called. Each
   connection lies in a map of the namespace's own twice: as the guest knows it, and as this host does. */
struct guest_key {
	struct address guest, host;
	__u16 guest_port, host_port; /* in host order */
	__u32 side;
};
enum side {
	AS_GUEST_CALLS = 0,  /* `host` is where it calls */
	AS_HOST_ANSWERS = 1, /* `host` is the sidecar; of queries, whose answers may come from another own address, none */
};
#define OF_PROTOCOL(protocol) ((protocol) << 8)
/* What the other side calls the same. */
struct guest {
	struct address host;
	__u16 guest_port, host_port;
	__u32 ended; /* bits of `enum end` */
};
enum end {
	BY_GUEST = 1,
	BY_HOST = 2,
};

struct listener_key {
	__u64 netns;
	__u16 port, family;
	__u32 slot;
};
/* So many sockets may listen on one port and family, by SO_REUSEPORT or on several addresses. */
#define SLOTS 8

struct counters {
	__u64 count[2][LINES]; /* IPv4, IPv6 */
};

/* The kernel makes room for the heads of all lists of a hash when it makes the map, 16 bytes an entry, and nothing for a
   tree: so the numbers are what somebody may need, and no more. */
struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 4096);
	TYPE(key, __u64); /* cookie of the network namespace */
	TYPE(value, struct instance);
} MAP(tproxy_instance);

struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 17);
	TYPE(key, struct ports_key);
	TYPE(value, struct ports_block);
} MAP(tproxy_ports);

struct {
	NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 22);
	TYPE(key, struct id_key);
	TYPE(value, struct user_ports);
} MAP(tproxy_users);

struct {
	NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 22);
	TYPE(key, struct id_key);
	TYPE(value, __u8);
} MAP(tproxy_groups);

struct {
	NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 22);
	TYPE(key, struct network_key);
	TYPE(value, __u8);
} MAP(tproxy_networks);

struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 14);
	TYPE(key, struct address_key);
	TYPE(value, __u8);
} MAP(tproxy_address);

struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 14);
	TYPE(key, struct interface_key);
	TYPE(value, struct interface);
} MAP(tproxy_interface);

/* From which address this host speaks to a network. */
struct {
	NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 1 << 22);
	TYPE(key, struct network_key);
	TYPE(value, struct address);
} MAP(tproxy_sources);

struct {
	NUMBER(type, BPF_MAP_TYPE_SK_STORAGE);
	NUMBER(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	TYPE(key, int);
	TYPE(value, struct socket);
} MAP(tproxy_sockets);

struct {
	NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	NUMBER(max_entries, 16384);
	TYPE(key, struct pending_key);
	TYPE(value, struct pending);
} MAP(tproxy_pending);

struct {
	NUMBER(type, BPF_MAP_TYPE_SOCKHASH);
	NUMBER(max_entries, 16384);
	TYPE(key, struct listener_key);
	TYPE(value, __u64); /* eight bytes, so that user space reads cookies of sockets */
} MAP(tproxy_listen);

struct {
	NUMBER(type, BPF_MAP_TYPE_PERCPU_HASH);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	NUMBER(max_entries, 4096);
	TYPE(key, __u64); /* cookie of the network namespace */
	TYPE(value, struct counters);
} MAP(tproxy_counters);

/* These two a namespace has of its own, and only where it has virtual networks. What the kernel evicts where one is full is
   what was silent for longest. So queries, of which none is told to have ended, and connections that have ended have another
   map than those that are open. */
struct {
	NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	NUMBER(max_entries, 1 << 16);
	TYPE(key, struct guest_key);
	TYPE(value, struct guest);
} MAP(tproxy_guests);

struct {
	NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	NUMBER(max_entries, 1 << 14);
	TYPE(key, struct guest_key);
	TYPE(value, struct guest);
} MAP(tproxy_passing);

#endif
