//! Configuration and host facts resolved into plain data that any backend can install, and the policy that it means.
//!
//! Pure: no I/O, no clock, no environment. Must never know how a backend realises a line.

pub mod assumed;
mod elsewhere;
pub mod entry;
pub mod explain;
pub mod flow;
pub mod line;
pub mod matrix;
mod note;
mod policy;
mod resolve;
mod sidecar;

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::config::exclusion::IdRange;
use crate::config::interface::{InterfacePattern, VirtualNetwork};
use crate::config::ports::{Port, Ports};
use crate::config::{ChainName, Config, Loading};
use crate::family::IpFamily;
use flow::Protocol;

pub use note::{Note, PlanError};
pub use policy::Decision;
pub use resolve::resolve;
pub use sidecar::Sidecar;

/// All that a backend needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What happens to which flow.
    pub policy: Policy,
    /// How the iptables backend realises it.
    pub iptables: IptablesOptions,
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
    /// What carries it out.
    #[serde(skip_serializing_if = "Engine::is_netfilter")]
    pub engine: Engine,
}

/// What carries a policy out, as far as that is a part of what it means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Rules that see packets.
    #[default]
    Netfilter,
    /// Programs that see the calls of local processes, and connections to listeners of this host.
    Ebpf,
}

impl Engine {
    fn is_netfilter(&self) -> bool {
        *self == Self::Netfilter
    }
}

/// Capture of arriving connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inbound {
    /// Whether they are captured.
    pub enabled: bool,
    /// Where the sidecar listens for them; `None` only where they are not captured.
    pub port: Option<Port>,
    /// If not empty, the only ports captured.
    pub include_ports: Ports,
    /// Ports not captured; none beside `include_ports`.
    pub exclude_ports: Ports,
    /// Sources not captured.
    pub exclude_sources: Vec<IpNet>,
    /// Interfaces not captured.
    pub exclude_interfaces: Vec<InterfacePattern>,
    /// The only interface captured; `None` for all. Programs alone know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_interface: Option<InterfacePattern>,
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
    /// Ports not captured; none beside `include_ports`.
    pub exclude_ports: Ports,
    /// Conjunctions that pass before anything else, DNS included.
    pub exclusions: Vec<Exclusion>,
    /// Interfaces not captured.
    pub exclude_interfaces: Vec<InterfacePattern>,
}

/// One exclusion: a flow that matches every given part passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// Destination ports; empty for any.
    pub ports: Ports,
    /// User ids.
    pub uids: Option<IdRange>,
    /// Group ids.
    pub gids: Option<IdRange>,
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

/// How the iptables backend writes and loads the rules of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IptablesOptions {
    /// Stand before other programs' rules in PREROUTING.
    pub inbound_first: bool,
    /// Stand before other programs' rules in OUTPUT.
    pub outbound_first: bool,
    /// Write comments.
    pub comments: bool,
    /// Log what passes, at this syslog level; `None` logs nothing.
    pub log_level: Option<u8>,
    /// Keep captured DNS queries and those of the sidecar in conntrack zones of their own.
    pub conntrack_zones: bool,
    /// Names of our chains.
    pub chains: Chains,
    /// Keep the rules in firewalld's configuration, too.
    pub store_firewalld: bool,
    /// How rules are loaded.
    pub loading: Loading,
}

/// Names of our chains, without the prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chains {
    /// Decides about arriving connections.
    pub inbound: ChainName,
    /// Redirects to the inbound port.
    pub inbound_redirect: ChainName,
    /// Decides about outgoing connections.
    pub outbound: ChainName,
    /// Redirects to the outbound port.
    pub outbound_redirect: ChainName,
}

/// What the policy needs to know of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Name of the loopback interface.
    pub loopback: String,
    /// Addresses of all interfaces.
    pub addresses: BTreeSet<IpAddr>,
    /// Why IPv6 cannot be captured here; `None` when it can.
    pub without_ipv6: Option<String>,
}

impl Host {
    /// Whether packets to `address` stay on this host, that is, leave through loopback.
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.addresses.contains(&address)
    }
}

impl Chains {
    /// The names that a configuration gives.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            inbound: config.inbound.chain.clone(),
            inbound_redirect: config.inbound.redirect_chain.clone(),
            outbound: config.outbound.chain.clone(),
            outbound_redirect: config.outbound.redirect_chain.clone(),
        }
    }
}

impl Plan {
    /// 64 bits that tell what is installed by this plan from what others install, stable between runs and builds
    /// (FNV-1a over its JSON text). The host does not count, nor does the way in which rules are loaded.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let options = &self.iptables;
        let shape = (
            (options.inbound_first, options.outbound_first, options.comments, options.log_level),
            (options.conntrack_zones, &options.chains),
        );
        let mut text = Hashed::default();
        // Plain data without maps of non-string keys always serialises; a text cut short would only weaken the digest.
        let _whole = serde_json::to_writer(&mut text, &(&self.policy, shape));
        text.0.finish()
    }
}

/// A text that is hashed while it is written, and never there as a whole: it may be long.
#[derive(Default)]
struct Hashed(fnv::FnvHasher);

impl std::io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Policy {
    /// DNS capture of one family: `None` when off, or when no server of that family is known.
    #[must_use]
    pub fn dns_of(&self, family: IpFamily) -> Option<&Dns> {
        self.dns.as_ref().filter(|dns| match &dns.servers {
            None => true,
            Some(servers) => servers.iter().any(|server| IpFamily::of(*server) == family),
        })
    }
}

#[cfg(test)]
mod entry_tests;
#[cfg(test)]
mod shapes_tests;
