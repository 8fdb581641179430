//! Configuration and host facts resolved into plain data that any backend can install, and the policy that it means.
//!
//! Pure: no I/O, no clock, no environment. Must never know how a backend realises a line.

pub mod explain;
pub mod flow;
pub mod line;
mod policy;
mod resolve;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::config::ports::{Port, Ports};
use crate::family::IpFamily;
use flow::Protocol;

pub use policy::Decision;
pub use resolve::{Note, PlanError, Sidecar, resolve};

/// All that a backend needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What happens to which flow.
    pub policy: Policy,
    /// The host that it happens on. Not part of the digest: addresses come and go.
    pub host: Host,
}

/// The configuration resolved: which flow gets which verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// User id of the sidecar.
    pub sidecar_uid: u32,
    /// Families that are captured. IPv4 always is.
    pub families: BTreeSet<IpFamily>,
    /// Arriving connections.
    pub inbound: Inbound,
    /// Outgoing connections.
    pub outbound: Outbound,
    /// DNS capture; `None` when it is off.
    pub dns: Option<Dns>,
    /// Networks of virtual machines and containers behind this host.
    pub vnets: Vec<VirtualNetwork>,
    /// Drop arriving packets that conntrack calls invalid.
    pub drop_invalid: bool,
}

/// Capture of arriving connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inbound {
    /// Whether they are captured.
    pub enabled: bool,
    /// Where the sidecar listens for them.
    pub port: Port,
    /// If not empty, the only ports captured.
    pub include_ports: Ports,
    /// Ports not captured, unless `include_ports` is given.
    pub exclude_ports: Ports,
    /// Sources not captured.
    pub exclude_sources: Vec<IpNet>,
    /// Interfaces not captured.
    pub exclude_interfaces: Vec<String>,
}

/// Capture of outgoing connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outbound {
    /// Whether they are captured.
    pub enabled: bool,
    /// Where the sidecar listens for them.
    pub port: Port,
    /// If not empty, the only ports captured.
    pub include_ports: Ports,
    /// Ports not captured, unless `include_ports` is given.
    pub exclude_ports: Ports,
    /// Conjunctions that pass before anything else, DNS included.
    pub exclusions: Vec<Exclusion>,
    /// Interfaces not captured.
    pub exclude_interfaces: Vec<String>,
}

/// One exclusion: a flow that matches every given part passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// Destination ports; empty for any.
    pub ports: Ports,
    /// First and last user id.
    pub uids: Option<(u32, u32)>,
    /// First and last group id.
    pub gids: Option<(u32, u32)>,
    /// Destination network.
    pub network: Option<IpNet>,
}

/// DNS capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dns {
    /// Where the sidecar listens for queries.
    pub port: Port,
    /// Whose queries are captured; `None` for queries to any server.
    pub servers: Option<Vec<IpAddr>>,
}

/// A network of virtual machines or containers behind an interface of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VirtualNetwork {
    /// Interface name; a trailing `+` stands for any name that begins so (iptables' wildcard).
    pub interface: String,
    /// The networks behind it.
    pub networks: Vec<IpNet>,
}

/// What the policy needs to know of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Name of the loopback interface.
    pub loopback: String,
    /// Addresses of all interfaces.
    pub addresses: BTreeSet<IpAddr>,
}

impl Host {
    /// Whether packets to `address` stay on this host, that is, leave through loopback.
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.addresses.contains(&address)
    }
}

impl Policy {
    /// 64 bits that tell this policy from others, stable between runs and builds (FNV-1a over its JSON text).
    #[must_use]
    pub fn digest(&self) -> u64 {
        use std::hash::Hasher;
        let mut hasher = fnv::FnvHasher::default();
        // Plain data without maps of non-string keys always serialises; an empty text would only weaken the digest.
        hasher.write(serde_json::to_string(self).unwrap_or_default().as_bytes());
        hasher.finish()
    }

    /// DNS capture of one family: `None` when off, or when no server of that family is known.
    #[must_use]
    pub fn dns_of(&self, family: IpFamily) -> Option<&Dns> {
        self.dns.as_ref().filter(|dns| match &dns.servers {
            None => true,
            Some(servers) => servers.iter().any(|server| IpFamily::of(*server) == family),
        })
    }
}
