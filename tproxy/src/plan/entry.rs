//! The entry of the configuration behind a line of the policy: its key, and the part of its value that decided.
//!
//! Must never decide about a flow, and never know where an entry was written: origins belong to the configuration.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::flow::{Direction, Flow, Protocol};
use super::line::Line;
use super::policy::matching;
use super::{Exclusion, Plan};
use crate::config::exclusion::{Protocols, UidExclusion};
use crate::config::ports::Ports;
use crate::config::written::Item;
use crate::diagnostic::shortened;
use crate::family::IpFamily;

/// One setting, and what of it decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Key of the setting.
    pub key: &'static str,
    /// The value, or the item of it that matched; of a long one the beginning.
    pub value: String,
    /// Of a list the item that matched, by which its place is found.
    #[serde(skip)]
    pub item: Option<Item>,
}

impl Entry {
    fn new(key: &'static str, value: impl fmt::Display) -> Self {
        Self { key, value: shortened(&value.to_string()), item: None }
    }

    fn of_item(key: &'static str, item: impl fmt::Display) -> Self {
        Self { item: Some(Item::Text(item.to_string())), ..Self::new(key, item) }
    }
}

impl Plan {
    /// The entry behind `line`, for a flow that it decided: with another value there, another line decides. `None` where
    /// the line holds whatever is configured.
    pub(super) fn entry(&self, line: Line, flow: &Flow) -> Option<Entry> {
        let (inbound, outbound) = (&self.policy.inbound, &self.policy.outbound);
        Some(match line {
            // No setting gives a host IPv6.
            Line::OutboundFamilyOff | Line::InboundFamilyOff if self.host.without_ipv6.is_some() => {
                return None;
            }
            Line::OutboundFamilyOff | Line::InboundFamilyOff => Entry::new("ipFamilyMode", "ipv4"),
            Line::OutboundExclusion => self.exclusion_of(flow).map(Exclusion::entry)?,
            Line::OutboundExcludedInterface => {
                let pattern = matching(&outbound.exclude_interfaces, self.egress(flow))?;
                Entry::of_item("redirect.outbound.excludeInterfaces", pattern)
            }
            Line::InboundOtherInterface => Entry::new("ebpf.tcAttachIface", inbound.only_interface.as_ref()?),
            Line::InboundExcludedInterface => {
                let pattern = matching(&inbound.exclude_interfaces, flow.interface.as_deref())?;
                Entry::of_item("redirect.inbound.excludeInterfaces", pattern)
            }
            Line::InboundExcludedSource => {
                let network = self.excluded_source(flow.source?)?;
                Entry::of_item("redirect.inbound.excludePortsForIPs", network)
            }
            Line::OutboundExcludedPort => {
                of_port("redirect.outbound.excludePorts", &outbound.exclude_ports, flow)?
            }
            Line::InboundExcludedPort => {
                of_port("redirect.inbound.excludePorts", &inbound.exclude_ports, flow)?
            }
            Line::InboundIncludedPort => {
                of_port("redirect.inbound.includePorts", &inbound.include_ports, flow)?
            }
            Line::InboundNotIncludedPort => {
                Entry::new("redirect.inbound.includePorts", &inbound.include_ports)
            }
            Line::OutboundNotIncludedPort => {
                Entry::new("redirect.outbound.includePorts", &outbound.include_ports)
            }
            Line::OutboundOff => Entry::new("redirect.outbound.enabled", false),
            Line::InboundOff => Entry::new("redirect.inbound.enabled", false),
            Line::InboundInvalid => Entry::new("dropInvalidPackets", true),
            Line::InboundVnetDns | Line::InboundVnetTcp => self.vnet_entry(flow),
            Line::OutboundDns | Line::OutboundDnsOverTcp => self.dns_entry()?,
            Line::OutboundSidecar if self.lacks_inbound_port(flow) => Entry::new("redirect.inbound.port", 0),
            Line::OutboundDnsFromSidecar
            | Line::OutboundSidecarToListener
            | Line::OutboundSidecar
            | Line::OutboundSidecarToSelf => Entry::new("kumaDPUser", self.policy.sidecar_uid),
            Line::OutboundCaptured => match outbound.include_ports.is_empty() {
                true => Entry::new("redirect.outbound.enabled", true),
                false => of_port("redirect.outbound.includePorts", &outbound.include_ports, flow)?,
            },
            Line::InboundCaptured | Line::InboundForwarded => Entry::new("redirect.inbound.enabled", true),
            Line::OutboundNotTcp | Line::InboundNotTcp => self.query_entry(flow)?,
            Line::OutboundPassthroughSource | Line::OutboundAppToSelf | Line::OutboundLocalhost => {
                return None;
            }
        })
    }

    fn excluded_source(&self, source: IpAddr) -> Option<&ipnet::IpNet> {
        self.policy.inbound.exclude_sources.iter().find(|network| network.contains(&source))
    }

    /// All networks of the flow's family on its interface: any of them captures it, and all of them let it out.
    fn vnet_entry(&self, flow: &Flow) -> Entry {
        let pairs = self.vnets_of(flow).flat_map(|vnet| {
            let networks =
                vnet.networks.iter().filter(|network| IpFamily::of(network.addr()) == flow.family());
            networks.map(|network| format!("{}:{network}", vnet.interface))
        });
        let pairs: Vec<String> = pairs.collect();
        let item = pairs.first().cloned().map(Item::Text);
        Entry { item, ..Entry::new("redirect.vnet.networks", pairs.join(",")) }
    }

    /// Of what is not TCP, a query is captured where queries are, or else where those to any server are.
    pub(super) fn query_entry(&self, flow: &Flow) -> Option<Entry> {
        let may_be = flow.direction == Direction::Outbound || self.vnets_of(flow).next().is_some();
        let key = if self.policy.dns.is_some() { "redirect.dns.captureAll" } else { "redirect.dns.enabled" };
        (flow.is_query() && may_be).then(|| Entry::new(key, false))
    }

    fn dns_entry(&self) -> Option<Entry> {
        let dns = self.policy.dns.as_ref()?;
        let key = if dns.servers.is_none() { "redirect.dns.captureAll" } else { "redirect.dns.enabled" };
        Some(Entry::new(key, true))
    }
}

fn of_port(key: &'static str, ports: &Ports, flow: &Flow) -> Option<Entry> {
    let port = flow.destination.port();
    let item = Some(Item::Port(port));
    ports.range_of(port).map(|range| Entry { item, ..Entry::new(key, range) })
}

impl Exclusion {
    /// The setting that makes an exclusion of this shape.
    fn entry(&self) -> Entry {
        match (self.network, self.gids, self.uids) {
            (Some(network), _, _) => Entry::of_item("redirect.outbound.excludePortsForIPs", network),
            (None, Some(gids), _) => Entry::of_item("redirect.outbound.excludeGIDs", gids),
            (None, None, uids) => {
                let protocols = match self.protocol {
                    None => Protocols::Both,
                    Some(Protocol::Tcp) => Protocols::Tcp,
                    Some(Protocol::Udp) => Protocols::Udp,
                };
                let written = uids.map(|uids| UidExclusion { protocols, ports: self.ports.clone(), uids });
                let written = written.map_or_else(String::new, |written| written.to_string());
                Entry::of_item("redirect.outbound.excludePortsForUIDs", written)
            }
        }
    }
}

impl fmt::Display for Exclusion {
    /// In words, behind "what is sent".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.map(|protocol| format!("over {}", protocol.to_string().to_uppercase()));
        let ports = (!self.ports.is_empty()).then(|| format!("to port {}", self.ports));
        let network = self.network.map(|network| format!("to {network}"));
        let uids = self.uids.map(|uids| format!("by uid {uids}"));
        let gids = self.gids.map(|gids| format!("by gid {gids}"));
        let parts: Vec<String> = [protocol, ports, network, uids, gids].into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}
