//! Arriving connections (lines 4 to 10).
//!
//! Must never look at who owns a socket: an arriving packet has no owner.

use ipnet::IpNet;

use super::exclusion::Building;
use super::outbound::redirecting;
use super::{Writer, mesh, ports};
use crate::family::IpFamily;
use crate::iptables::hooks::Place;
use crate::iptables::state::TableState;
use crate::plan::line::Line;

impl Writer<'_> {
    /// Adds the chain that decides about arriving connections, the one that redirects them, and the jump.
    pub(super) fn inbound(self, table: &mut TableState) {
        let chains = &self.options().chains;
        let (name, redirect) = (mesh(chains.inbound.as_str()), mesh(chains.inbound_redirect.as_str()));
        table.hooks.push(self.hook("PREROUTING", self.place_inbound(), "-p tcp", &name));
        let mut chain = Building::new(name, 'I');
        self.inbound_rules(&mut chain, &redirect);
        table.chains.extend(chain.finish());
        table.chains.push(redirecting(redirect, self.policy().inbound.port));
    }

    /// On which side of foreign rules: before them where asked for, and beside virtual networks (Kuma behaviour).
    pub(super) fn place_inbound(self) -> Place {
        if self.options().inbound_first || self.has_vnets() { Place::First } else { Place::Last }
    }

    fn inbound_rules(self, chain: &mut Building, redirect: &str) {
        let inbound = &self.policy().inbound;
        if !inbound.enabled {
            return chain.push(self.line(Line::InboundOff, "-p tcp -j RETURN"));
        }
        chain.extend(self.interfaces("-i", Line::InboundExcludedInterface, &inbound.exclude_interfaces));
        let of_family = |network: &&IpNet| IpFamily::of(network.addr()) == self.family;
        let sources: Vec<IpNet> = inbound.exclude_sources.iter().filter(of_family).copied().collect();
        chain.pass_networks(self, Line::InboundExcludedSource, "-s", &sources);
        if !inbound.include_ports.is_empty() {
            let included = ports::matches("tcp", &inbound.include_ports);
            let redirected =
                |ports: &String| self.line(Line::InboundIncludedPort, &format!("{ports} -j {redirect}"));
            return chain.extend(included.iter().map(redirected));
        }
        let excluded = ports::matches("tcp", &inbound.exclude_ports);
        chain.extend(
            excluded.iter().map(|ports| self.line(Line::InboundExcludedPort, &format!("{ports} -j RETURN"))),
        );
        chain.push(self.line(Line::InboundCaptured, &format!("-p tcp -j {redirect}")));
    }
}
