//! The policy: from a flow to its verdict, and the line that decides.
//!
//! This is the table of the design, line by line; the first that matches decides. Every backend means this, and netsim
//! holds them to it. Must never look at anything but the plan and the flow.

use std::net::IpAddr;

use serde::Serialize;

use super::flow::{ConntrackState, Direction, Flow, Protocol, Verdict};
use super::line::Line;
use super::{Dns, Engine, Exclusion, Plan};
use crate::config::exclusion::IdRange;
use crate::config::interface::{InterfacePattern, VirtualNetwork};
use crate::config::ports::Port;
use crate::family::IpFamily;

/// A verdict and the line of the policy that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What happens to the flow.
    pub verdict: Verdict,
    /// Which line says so.
    pub line: Line,
}

fn pass(line: Line) -> Decision {
    Decision { verdict: Verdict::Pass, line }
}

impl Plan {
    /// What happens to `flow`, and why.
    #[must_use]
    pub fn verdict(&self, flow: &Flow) -> Decision {
        let flow = &flow.as_sent();
        let captured = self.policy.families.contains(&flow.family());
        match flow.direction {
            Direction::Outbound if !captured => pass(Line::OutboundFamilyOff),
            Direction::Inbound if !captured => pass(Line::InboundFamilyOff),
            Direction::Outbound => self.outbound(flow),
            Direction::Inbound => self.inbound(flow),
        }
    }

    fn outbound(&self, flow: &Flow) -> Decision {
        let outbound = &self.policy.outbound;
        if self.calls_own_listener(flow) {
            return Decision { verdict: Verdict::Refuse, line: Line::OutboundSidecarToListener };
        }
        if self.exclusion_of(flow).is_some() {
            return pass(Line::OutboundExclusion);
        }
        if matching(&outbound.exclude_interfaces, self.egress(flow)).is_some() {
            return pass(Line::OutboundExcludedInterface);
        }
        match flow.protocol {
            Protocol::Udp => self.outbound_datagram(flow),
            Protocol::Tcp => self.outbound_connection(flow),
        }
    }

    /// Whether the sidecar calls itself by an address that it might take for an original destination: eBPF, which decides
    /// when the call is made, can end that loop before it begins.
    fn calls_own_listener(&self, flow: &Flow) -> bool {
        let (inbound, outbound) = (self.policy.inbound.port, self.policy.outbound.port);
        let port = flow.destination.port();
        self.policy.engine == Engine::Ebpf
            && flow.protocol == Protocol::Tcp
            && self.is_sidecar(flow)
            && self.leaves_through_loopback(flow)
            && !is_localhost(flow.destination.ip())
            && (port == outbound.get() || inbound.is_some_and(|inbound| port == inbound.get()))
    }

    /// The first exclusion that an outgoing flow matches.
    pub(super) fn exclusion_of(&self, flow: &Flow) -> Option<&Exclusion> {
        self.policy.outbound.exclusions.iter().find(|exclusion| exclusion.matches(flow))
    }

    fn outbound_datagram(&self, flow: &Flow) -> Decision {
        match self.policy.dns_of(flow.family()).filter(|_| flow.is_query()) {
            Some(_) if self.is_sidecar(flow) => pass(Line::OutboundDnsFromSidecar),
            Some(dns) if dns.captures(flow.destination.ip()) => {
                Decision { verdict: Verdict::Redirect(dns.port), line: Line::OutboundDns }
            }
            _ => pass(Line::OutboundNotTcp),
        }
    }

    fn outbound_connection(&self, flow: &Flow) -> Decision {
        let outbound = &self.policy.outbound;
        let (port, family) = (flow.destination.port(), flow.family());
        if port == Flow::DNS && self.policy.dns_of(family).is_some() && !self.is_sidecar(flow) {
            return pass(Line::OutboundDnsOverTcp);
        }
        if !outbound.enabled {
            return pass(Line::OutboundOff);
        }
        if outbound.include_ports.is_empty() && outbound.exclude_ports.contains(port) {
            return pass(Line::OutboundExcludedPort);
        }
        if self.leaves_through_loopback(flow) {
            return self.to_self(flow);
        }
        if self.is_sidecar(flow) {
            return pass(Line::OutboundSidecar);
        }
        // Localhost, the next line of the table, has left through loopback.
        if !outbound.include_ports.is_empty() && !outbound.include_ports.contains(port) {
            return pass(Line::OutboundNotIncludedPort);
        }
        Decision { verdict: Verdict::Redirect(outbound.port), line: Line::OutboundCaptured }
    }

    fn to_self(&self, flow: &Flow) -> Decision {
        let passthrough = flow.family().passthrough();
        // An IPv6 connection to an own address comes from that address where no other is chosen (RFC 6724, rule 1).
        let own_source = flow.destination.ip().is_ipv6().then(|| flow.destination.ip());
        if flow.source.or(own_source) == Some(passthrough) {
            return pass(Line::OutboundPassthroughSource);
        }
        if !self.is_sidecar(flow) {
            return pass(Line::OutboundAppToSelf);
        }
        match self.policy.inbound.port.filter(|_| !is_localhost(flow.destination.ip())) {
            Some(port) => Decision { verdict: Verdict::Redirect(port), line: Line::OutboundSidecarToSelf },
            None => pass(Line::OutboundSidecar),
        }
    }

    /// Whether the sidecar's call to this host passes only because there is no inbound port to send it to.
    pub(super) fn lacks_inbound_port(&self, flow: &Flow) -> bool {
        let to_self = self.leaves_through_loopback(flow) && !is_localhost(flow.destination.ip());
        to_self && self.policy.inbound.port.is_none()
    }

    fn inbound(&self, flow: &Flow) -> Decision {
        let inbound = &self.policy.inbound;
        if self.policy.drop_invalid && flow.conntrack == ConntrackState::Invalid {
            return Decision { verdict: Verdict::Drop, line: Line::InboundInvalid };
        }
        if let Some(decision) = self.virtual_network(flow) {
            return decision;
        }
        if flow.protocol != Protocol::Tcp {
            return pass(Line::InboundNotTcp);
        }
        let Some(sidecar) = inbound.port.filter(|_| inbound.enabled) else { return pass(Line::InboundOff) };
        if self.arrives_elsewhere(flow) {
            return pass(Line::InboundOtherInterface);
        }
        if matching(&inbound.exclude_interfaces, flow.interface.as_deref()).is_some() {
            return pass(Line::InboundExcludedInterface);
        }
        if flow.source.is_some_and(|source| inbound.exclude_sources.iter().any(|net| net.contains(&source))) {
            return pass(Line::InboundExcludedSource);
        }
        self.inbound_port(flow, sidecar)
    }

    /// Whether it is said to arrive by another interface than the only one that is captured.
    fn arrives_elsewhere(&self, flow: &Flow) -> bool {
        let only = self.policy.inbound.only_interface.as_ref();
        let by = flow.interface.as_deref();
        only.is_some_and(|only| by.is_some_and(|name| !only.matches(name)))
    }

    fn inbound_port(&self, flow: &Flow, sidecar: Port) -> Decision {
        let inbound = &self.policy.inbound;
        let port = flow.destination.port();
        let captured = |line| Decision { verdict: Verdict::Redirect(sidecar), line };
        let is_forwarded = !self.host.owns(flow.destination.ip());
        // It is for no listener of this host, which is all that is asked about.
        if is_forwarded && self.policy.engine == Engine::Ebpf {
            return pass(Line::InboundForwarded);
        }
        if !inbound.include_ports.is_empty() {
            let included = inbound.include_ports.contains(port);
            return if included {
                captured(Line::InboundIncludedPort)
            } else {
                pass(Line::InboundNotIncludedPort)
            };
        }
        if inbound.exclude_ports.contains(port) {
            return pass(Line::InboundExcludedPort);
        }
        if is_forwarded {
            return captured(Line::InboundForwarded);
        }
        captured(Line::InboundCaptured)
    }

    /// Where several virtual networks stand for one interface, a destination in any of them is inside.
    fn virtual_network(&self, flow: &Flow) -> Option<Decision> {
        let mut vnets = self.vnets_of(flow).peekable();
        vnets.peek()?;
        if flow.is_query() {
            let dns = self.policy.dns_of(flow.family())?;
            return Some(Decision { verdict: Verdict::Redirect(dns.port), line: Line::InboundVnetDns });
        }
        let contains =
            |vnet: &VirtualNetwork| vnet.networks.iter().any(|net| net.contains(&flow.destination.ip()));
        (flow.protocol == Protocol::Tcp && !vnets.any(contains)).then_some(Decision {
            verdict: Verdict::Redirect(self.policy.outbound.port),
            line: Line::InboundVnetTcp,
        })
    }

    /// The virtual networks from which an arriving flow may come: those of its interface that have its family.
    pub(super) fn vnets_of<'a>(&'a self, flow: &'a Flow) -> impl Iterator<Item = &'a VirtualNetwork> {
        let family = flow.family();
        let on = |vnet: &VirtualNetwork| {
            flow.interface.as_deref().is_some_and(|name| vnet.interface.matches(name))
        };
        self.policy.vnets.iter().filter(move |vnet| on(vnet) && has(vnet, family))
    }

    fn is_sidecar(&self, flow: &Flow) -> bool {
        flow.uid == Some(self.policy.sidecar_uid)
    }

    fn leaves_through_loopback(&self, flow: &Flow) -> bool {
        self.egress(flow) == Some(&self.host.loopback)
    }

    /// The interface by which an outgoing flow leaves: loopback to an address of this host, whatever is said of it, else
    /// the one given.
    pub(super) fn egress<'a>(&'a self, flow: &'a Flow) -> Option<&'a str> {
        if self.host.owns(flow.destination.ip()) {
            Some(&self.host.loopback)
        } else {
            flow.interface.as_deref()
        }
    }
}

/// The first pattern that stands for an interface.
pub(super) fn matching<'a>(
    patterns: &'a [InterfacePattern],
    name: Option<&str>,
) -> Option<&'a InterfacePattern> {
    patterns.iter().find(|pattern| name.is_some_and(|name| pattern.matches(name)))
}

/// A virtual network named with IPv4 networks only captures IPv4 only.
fn has(vnet: &VirtualNetwork, family: IpFamily) -> bool {
    vnet.networks.iter().any(|network| IpFamily::of(network.addr()) == family)
}

fn is_localhost(address: IpAddr) -> bool {
    address == IpFamily::of(address).localhost()
}

impl Exclusion {
    fn matches(&self, flow: &Flow) -> bool {
        let within = |range: Option<IdRange>, id: Option<u32>| {
            range.is_none_or(|range| id.is_some_and(|id| range.contains(id)))
        };
        self.protocol.is_none_or(|protocol| protocol == flow.protocol)
            && (self.ports.is_empty() || self.ports.contains(flow.destination.port()))
            && within(self.uids, flow.uid)
            && within(self.gids, flow.gid)
            && self.network.is_none_or(|network| network.contains(&flow.destination.ip()))
    }
}

impl Dns {
    fn captures(&self, server: IpAddr) -> bool {
        self.servers.as_ref().is_none_or(|servers| servers.contains(&server))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
