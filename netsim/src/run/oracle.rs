//! What the policy says of a scenario's flows, in the words of the schema.
//!
//! Pure. Must never look at the system.

use std::net::SocketAddr;

use tproxy::plan::Plan;
use tproxy::plan::flow::Verdict;

use crate::scenario::Place;

/// The first listener of the sidecar that a flow with this verdict comes by; `None` when it comes by none.
pub(super) fn first_listener(verdict: Verdict, destination: SocketAddr, plan: &Plan) -> Option<Place> {
    let (inbound, outbound) = (plan.policy.inbound.port, plan.policy.outbound.port);
    let port = match verdict {
        Verdict::Redirect(port) => port.get(),
        // Whoever calls a listener by its own address reaches it without any redirection.
        Verdict::Pass if plan.host.owns(destination.ip()) => destination.port(),
        Verdict::Pass | Verdict::Drop | Verdict::Refuse => return None,
    };
    match port {
        port if port == outbound.get() => Some(Place::SidecarOutbound),
        port if inbound.is_some_and(|inbound| port == inbound.get()) => Some(Place::SidecarInbound),
        _ => None,
    }
}
