//! DNS queries over UDP (lines 1 to 4), and the conntrack zone that keeps captured ones apart.
//!
//! Must never touch DNS over TCP, which belongs to the connections.

use std::net::IpAddr;

use ipnet::IpNet;

use super::exclusion::Building;
use super::{Writer, mesh};
use crate::family::IpFamily;
use crate::iptables::CAPTURED_ZONE;
use crate::iptables::hooks::Place;
use crate::iptables::rule::Rule;
use crate::iptables::state::TableState;
use crate::plan::line::Line;

/// The chain in nat that captures queries.
pub(super) const CHAIN: &str = "DNS";
/// The chain in raw that gives zones.
pub(super) const ZONES: &str = "ZONES";

impl Writer<'_> {
    /// Adds the chain that captures queries, and the jump, which stands before other programs' rules (Kuma behaviour):
    /// Docker's own would take queries to its resolver first. What passes goes on to them.
    pub(super) fn dns_capture(self, table: &mut TableState) {
        let Some(dns) = self.dns() else { return };
        let name = mesh(CHAIN);
        table.hooks.push(self.hook("OUTPUT", Place::First, "-p udp -m udp --dport 53", &name));
        let mut chain = Building::new(name, 'D');
        self.query_exclusions(&mut chain);
        let uid = self.policy().sidecar_uid;
        chain.push(self.line(Line::OutboundDnsFromSidecar, &format!("-m owner --uid-owner {uid} -j RETURN")));
        chain.extend(self.captured_servers().into_iter().map(|server| {
            self.line(Line::OutboundDns, &format!("{server} -p udp -j REDIRECT --to-ports {}", dns.port))
        }));
        table.chains.extend(chain.finish());
    }

    /// Our part of the raw table: without zones, an application's captured query and the sidecar's own query from the
    /// same source port to the same server would be one connection to conntrack.
    pub(super) fn raw(self) -> Option<TableState> {
        let dns = self.dns().filter(|_| self.options().conntrack_zones)?;
        let (uid, lo, name) = (self.policy().sidecar_uid, &self.plan.host.loopback, mesh(ZONES));
        let mut table = TableState::empty("raw");
        table.hooks.push(self.hook("OUTPUT", Place::Last, "-p udp", &name));
        let mut chain = Building::new(name, 'Z');
        // An answer to a virtual network leaves by its interface, in the usual zone, as its query came.
        let answer = format!("-o {lo} -p udp -m udp --sport {} -m owner --uid-owner {uid}", dns.port);
        chain.push(Rule::new(&format!("{answer} -j CT --zone {CAPTURED_ZONE}")));
        chain.push(Rule::new("-p udp -m udp ! --dport 53 -j RETURN"));
        self.query_exclusions(&mut chain);
        chain.push(self.line(Line::OutboundDnsFromSidecar, &format!("-m owner --uid-owner {uid} -j RETURN")));
        let captured = self.captured_servers();
        chain.extend(
            captured.into_iter().map(|server| Rule::new(&format!("{server} -j CT --zone {CAPTURED_ZONE}"))),
        );
        table.chains.extend(chain.finish());
        Some(table)
    }

    /// The matches on servers whose queries are captured: each of a list that no exclusion covers, or any.
    fn captured_servers(self) -> Vec<String> {
        let Some(servers) = self.dns().and_then(|dns| dns.servers.as_ref()) else {
            return vec![String::new()];
        };
        // Sorted and disjoint: of those that begin before a server, only the last may hold it.
        let excluded = IpNet::aggregate(&self.excluded_networks());
        let is_excluded = |server: &IpAddr| {
            let before = excluded.partition_point(|network| network.network() <= *server);
            before
                .checked_sub(1)
                .and_then(|last| excluded.get(last))
                .is_some_and(|last| last.contains(server))
        };
        let is_captured = |server: &&IpAddr| IpFamily::of(**server) == self.family && !is_excluded(server);
        let prefix = self.family.host_prefix();
        servers.iter().filter(is_captured).map(|server| format!("-d {server}/{prefix}")).collect()
    }
}
