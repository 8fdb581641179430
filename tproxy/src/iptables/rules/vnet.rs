//! What virtual machines and containers behind this host send (lines 2 and 3 of what arrives).
//!
//! Must never capture a family that a virtual network has no network of.

use super::exclusion::{interface, within};
use super::{Writer, mesh};
use crate::config::interface::VirtualNetwork;
use crate::family::IpFamily;
use crate::iptables::hooks::Place;
use crate::iptables::rule::Rule;
use crate::iptables::state::{Chain, TableState};
use crate::plan::line::Line;

/// The chain that captures it.
pub(super) const CHAIN: &str = "VNET";

impl Writer<'_> {
    /// Whether any virtual network has this family.
    pub(super) fn has_vnets(self) -> bool {
        self.policy().vnets.iter().any(|vnet| self.has_networks(vnet))
    }

    fn has_networks(self, vnet: &VirtualNetwork) -> bool {
        vnet.networks.iter().any(|network| IpFamily::of(network.addr()) == self.family)
    }

    /// Adds the chain, and the jump before other programs' rules (Kuma behaviour).
    pub(super) fn vnets(self, table: &mut TableState) {
        if !self.has_vnets() {
            return;
        }
        let name = mesh(CHAIN);
        table.hooks.push(self.hook("PREROUTING", Place::First, "", &name));
        table.chains.push(Chain { name, rules: self.vnet_rules() });
    }

    /// All networks first: an interface of two patterns is inside both of their networks.
    fn vnet_rules(self) -> Vec<Rule> {
        let vnets = || self.policy().vnets.iter().filter(|vnet| self.has_networks(vnet));
        let on = |vnet: &VirtualNetwork| interface("-i", &vnet.interface);
        let queries = vnets().filter_map(|vnet| {
            let port = self.dns()?.port;
            let query = format!("{} -p udp -m udp --dport 53 -j REDIRECT --to-ports {port}", on(vnet));
            Some(self.line(Line::InboundVnetDns, &query))
        });
        let inside = vnets().flat_map(|vnet| {
            let networks = vnet.networks.iter().filter(|network| IpFamily::of(network.addr()) == self.family);
            networks.map(move |network| (network, on(vnet)))
        });
        let inside = inside
            .map(|(network, on)| Rule::new(&format!("{} {on} -p tcp -j RETURN", within("-d", network))));
        let outbound = self.policy().outbound.port;
        let outside = vnets().map(|vnet| {
            self.line(Line::InboundVnetTcp, &format!("{} -p tcp -j REDIRECT --to-ports {outbound}", on(vnet)))
        });
        queries.chain(inside).chain(outside).collect()
    }
}
