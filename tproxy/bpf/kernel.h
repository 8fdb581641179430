/* What the kernel offers: helpers, sections, and the few constants that linux/bpf.h leaves out.
   Must never hold anything of tproxy's own. */
#ifndef TPROXY_KERNEL_H
#define TPROXY_KERNEL_H

#include <linux/bpf.h>

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* How a map is described to the loader (.maps of BTF). */
#define NUMBER(name, value) int(*name)[value]
#define TYPE(name, type) typeof(type) *name
#define MAP(name) name SECTION(".maps")

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_IP 0
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define IPPROTO_MPTCP 262

#define swap16 __builtin_bswap16
#define swap32 __builtin_bswap32
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the programs are built for little-endian machines"
#endif

/* A load of a context field at an offset that the compiler cannot change. Where two branches read different fields, clang
   makes one load through a moved pointer of them, and the verifier refuses that ("dereference of modified ctx ptr"). */
#define FIELD(context, type, field)                                                                          \
	({                                                                                                   \
		__u32 value_;                                                                                \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                                        \
			     : "=r"(value_)                                                                  \
			     : "r"(context), "i"(__builtin_offsetof(type, field)));                          \
		value_;                                                                                      \
	})

static void *(*map_lookup)(void *, const void *) = (void *)BPF_FUNC_map_lookup_elem;
static long (*map_update)(void *, const void *, const void *, __u64) = (void *)BPF_FUNC_map_update_elem;
static long (*map_delete)(void *, const void *) = (void *)BPF_FUNC_map_delete_elem;
static __u64 (*netns_cookie)(void *) = (void *)BPF_FUNC_get_netns_cookie;
static __u64 (*current_uid_gid)(void) = (void *)BPF_FUNC_get_current_uid_gid;
static void *(*socket_storage)(void *, void *, void *, __u64) = (void *)BPF_FUNC_sk_storage_get;
static long (*sock_hash_update)(struct bpf_sock_ops *, void *, void *, __u64) = (void *)BPF_FUNC_sock_hash_update;
static long (*watch)(struct bpf_sock_ops *, int) = (void *)BPF_FUNC_sock_ops_cb_flags_set;
static long (*assign)(void *, void *, __u64) = (void *)BPF_FUNC_sk_assign;
static long (*release)(void *) = (void *)BPF_FUNC_sk_release;
static long (*skb_load)(const struct __sk_buff *, __u32, void *, __u32) = (void *)BPF_FUNC_skb_load_bytes;
static long (*skb_store)(struct __sk_buff *, __u32, const void *, __u32, __u64) = (void *)BPF_FUNC_skb_store_bytes;
static long (*replace_in_l3)(struct __sk_buff *, __u32, __u64, __u64, __u64) = (void *)BPF_FUNC_l3_csum_replace;
static long (*replace_in_l4)(struct __sk_buff *, __u32, __u64, __u64, __u64) = (void *)BPF_FUNC_l4_csum_replace;
static __s64 (*checksum_change)(const void *, __u32, const void *, __u32, __u32) = (void *)BPF_FUNC_csum_diff;
static struct bpf_sock *(*full_socket)(struct bpf_sock *) = (void *)BPF_FUNC_sk_fullsock;
static long (*send_to)(__u32, __u64) = (void *)BPF_FUNC_redirect;
static long (*bind_source)(struct bpf_sock_addr *, void *, int) = (void *)BPF_FUNC_bind;

#endif
