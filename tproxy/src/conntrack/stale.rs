//! Which entries of DNS flows say something else than the policy does now.
//!
//! An entry tells whether its flow was captured, so that nothing needs to be known of an earlier policy. It does not tell
//! who owns the flow; the socket that it belongs to does. An entry stays only where every verdict that is possible now
//! is the one that it carries: one kept wrongly is wrong for as long as it is used, one deleted wrongly costs at most the
//! answer that is under way. Must never look at flows other than DNS queries over UDP.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Entry;
use crate::iptables::CAPTURED_ZONE;
use crate::iptables::redirects::Redirects;
use crate::plan::Plan;
use crate::plan::flow::{Direction, Flow, Protocol, Verdict};

const DNS: u16 = 53;

/// A UDP socket of this network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Who made it.
    pub uid: u32,
}

/// What is to happen to DNS flows from now on.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The plan that is installed; `None` where nothing is any more.
    pub plan: Option<&'a Plan>,
    /// What was redirected to until now, and is from now on.
    pub redirects: &'a Redirects,
    /// The UDP sockets.
    pub sockets: &'a [Socket],
}

/// Whether an entry is of a flow of DNS queries over UDP.
#[must_use]
pub fn is_query(entry: &Entry) -> bool {
    entry.protocol == Protocol::Udp && entry.original.destination.port() == DNS
}

/// Whether the verdict that an entry carries is not, or not surely, the one that its flow gets now.
#[must_use]
pub fn is_stale(entry: &Entry, wanted: Wanted<'_>) -> bool {
    if !is_query(entry) {
        return false;
    }
    let carried = entry.redirected_to().filter(|port| wanted.redirects.udp.contains(port));
    let Some(plan) = wanted.plan else { return carried.is_some() };
    let is_sent = plan.host.owns(entry.original.source.ip());
    let possible = if is_sent { sent(plan, entry, wanted.sockets) } else { arriving(plan, entry) };
    let misplaced = is_sent && carried.is_some() && plan.iptables.conntrack_zones;
    possible.into_iter().any(|port| port != carried) || (misplaced && entry.zone != CAPTURED_ZONE)
}

/// The ports that a query of a local process may be redirected to.
fn sent(plan: &Plan, entry: &Entry, sockets: &[Socket]) -> BTreeSet<Option<u16>> {
    let source = entry.original.source;
    let is_owner = |socket: &&Socket| {
        let bound = socket.address.ip().to_canonical();
        socket.address.port() == source.port() && (bound.is_unspecified() || bound == source.ip())
    };
    let mut uids: BTreeSet<Option<u32>> =
        sockets.iter().filter(is_owner).map(|socket| Some(socket.uid)).collect();
    if uids.is_empty() {
        // Whoever asked is gone, and it may have been anybody; of the sidecar no query finds the zone of captured ones.
        let is_apart = plan.iptables.conntrack_zones && entry.zone == CAPTURED_ZONE;
        uids.extend([None, Some(plan.policy.sidecar_uid).filter(|_| !is_apart)]);
    }
    let flow = Flow {
        protocol: Protocol::Udp,
        source: Some(source.ip()),
        ..Flow::new(Direction::Outbound, entry.original.destination)
    };
    let mut possible: BTreeSet<Option<u16>> =
        uids.into_iter().map(|uid| port(plan, &Flow { uid, ..flow.clone() })).collect();
    // Neither the group nor the interface can be told from a socket.
    let outbound = &plan.policy.outbound;
    let by_group = outbound.exclusions.iter().any(|exclusion| exclusion.gids.is_some());
    if by_group || !outbound.exclude_interfaces.is_empty() {
        possible.insert(None);
    }
    possible
}

fn port(plan: &Plan, flow: &Flow) -> Option<u16> {
    match plan.verdict(flow).verdict {
        Verdict::Redirect(port) => Some(port.get()),
        Verdict::Pass | Verdict::Drop | Verdict::Refuse => None,
    }
}

/// The port that a query from elsewhere is redirected to: the DNS port, where a virtual network sent it. The interface is
/// not in the entry; whose network holds the source stands for it.
fn arriving(plan: &Plan, entry: &Entry) -> BTreeSet<Option<u16>> {
    let (family, source) = (entry.family(), entry.original.source.ip());
    let mut networks = plan.policy.vnets.iter().flat_map(|vnet| &vnet.networks);
    let is_captured = plan.policy.families.contains(&family) && networks.any(|net| net.contains(&source));
    let dns = plan.policy.dns_of(family).filter(|_| is_captured);
    [dns.map(|dns| dns.port.get())].into()
}

#[cfg(test)]
#[path = "stale_tests.rs"]
mod tests;
