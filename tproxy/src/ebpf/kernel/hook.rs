//! The hooks: which program is attached where.
//!
//! Must never hold anything but the table.

use super::filter::Way;

/// One hook of a cgroup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook {
    /// Its name, which is that of its pin.
    pub(super) name: &'static str,
    /// The program.
    pub(super) program: &'static str,
    /// `enum bpf_attach_type` of linux/bpf.h.
    pub(super) kind: u32,
}

const fn hook(name: &'static str, program: &'static str, kind: u32) -> Hook {
    Hook { name, program, kind }
}

/// Those of the cgroup, in the order in which they are attached: what tells of listeners and answers comes before what
/// captures.
pub(super) const HOOKS: [Hook; 12] = [
    hook("bind4", "tproxy_bind4", 8),
    hook("bind6", "tproxy_bind6", 9),
    hook("sockops", "tproxy_sockops", 3),
    hook("getsockopt", "tproxy_getopt", 21),
    hook("getpeername4", "tproxy_getpeer4", 29),
    hook("getpeername6", "tproxy_getpeer6", 30),
    hook("recvmsg4", "tproxy_recvmsg4", 19),
    hook("recvmsg6", "tproxy_recvmsg6", 20),
    hook("sendmsg4", "tproxy_sendmsg4", 14),
    hook("sendmsg6", "tproxy_sendmsg6", 15),
    hook("connect4", "tproxy_connect4", 10),
    hook("connect6", "tproxy_connect6", 11),
];

/// That of a network namespace.
pub(super) const LOOKUP: Hook = hook("sk_lookup", "tproxy_lookup", 36);

/// Those of an interface that virtual networks are behind. That of answers comes first: what it does needs the other.
pub(super) const GUESTS: [(Way, &str); 2] = [(Way::Out, "tproxy_vnet_out"), (Way::In, "tproxy_vnet_in")];
