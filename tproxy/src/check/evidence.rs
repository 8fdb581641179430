//! What was seen of a host, as plain data.
//!
//! Must never hold what it means.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::attempt::{Attempt, Trial};
use crate::iptables::choice::{Choice, Seen};
use crate::iptables::save::SavedTable;
use crate::iptables::{Flavour, Tool};

/// All that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Release of the kernel.
    pub kernel: String,
    /// What the caller may do.
    pub privileges: Privileges,
    /// The programs that would install, or why there are none.
    pub programs: Result<Vec<Program>, Lack>,
    /// Which flavour would install; `None` where there is none.
    pub chosen: Option<Chosen>,
    /// Why iptables over `x_tables` cannot lock its file; `None` where it can, or need not.
    pub without_lock: Option<String>,
    /// What came of the attempts.
    pub trials: Vec<(Attempt, Trial)>,
    /// What other programs have on the way; `None` where it may not be seen.
    pub others: Option<Others>,
    /// The name servers of the configured file, or why it cannot be read.
    pub name_servers: Result<Vec<IpAddr>, String>,
    /// Who answers DNS queries on this host, or may do so.
    pub dns_listeners: Vec<DnsListener>,
    /// Whether the kernel logs what is logged in this network namespace for certain.
    pub logs: bool,
    /// Whether firewalld is configured here.
    pub has_firewalld: bool,
    /// Whether the kernel takes the programs of the eBPF backend; `None` where that was not tried.
    pub programs_of_ebpf: Option<Result<(), String>>,
    /// Mounted file systems of the kinds that the eBPF backend needs.
    pub mounts: Vec<Mount>,
}

/// The flavour that would install, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The flavour.
    pub choice: Choice,
    /// What was seen of each flavour, or why that is not known.
    pub seen: Result<[(Flavour, Seen); 2], String>,
    /// Programs of the other flavour that cannot do what is needed, with the reason.
    pub passed_over: Vec<String>,
}

/// Something that is not there, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What shows that it is not there.
    pub evidence: String,
    /// What to do.
    pub advice: String,
}

/// What the caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privileges {
    /// Effective user id.
    pub uid: u32,
    /// Change networks (`CAP_NET_ADMIN`).
    pub net_admin: bool,
    /// Open raw sockets (`CAP_NET_RAW`), as iptables over `x_tables` does.
    pub net_raw: bool,
}

impl Privileges {
    /// Whether rules may be looked at.
    #[must_use]
    pub fn may_look(self) -> bool {
        self.uid == 0 && self.net_admin
    }
}

/// A program that loads rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The set that it belongs to.
    pub tool: Tool,
    /// First line of what it says of its version, or why it says nothing.
    pub version: Result<String, String>,
}

/// What other programs have on the way of packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// The rules that iptables of either flavour shows, or why it does not.
    pub tables: Vec<(Tool, Result<Vec<SavedTable>, String>)>,
    /// What `nft -j list chains` prints, or why it does not; `None` without nft.
    pub chains: Option<Result<String, String>>,
}

/// A user who answers DNS queries on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsListener {
    /// User id.
    pub uid: u32,
    /// User name, where there is one.
    pub name: Option<String>,
    /// Where it listens; `None` for systemd-resolved's user where nothing is seen to listen.
    pub address: Option<SocketAddr>,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `cgroup2` or `bpf`.
    pub kind: String,
    /// Where.
    pub path: PathBuf,
}
