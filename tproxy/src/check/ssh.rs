//! Whether new SSH log-ins would go to the sidecar.
//!
//! Must never decide about a flow: each verdict comes from the policy.

use std::net::{IpAddr, SocketAddr};

use super::case::Case;
use super::finding::Finding;
use crate::family::IpFamily;
use crate::plan::flow::{Flow, Verdict};

/// Where SSH listens.
const SSH: u16 = 22;

pub(super) fn finding(case: &Case) -> Finding {
    const SUBJECT: &str = "ssh";
    let captured: Vec<String> = flows(case)
        .filter(|flow| matches!(case.plan.verdict(flow).verdict, Verdict::Redirect(_)))
        .map(|flow| flow.destination.to_string())
        .collect();
    if captured.is_empty() {
        return Finding::works(SUBJECT, "arriving connections to port 22 are not captured");
    }
    Finding::warning(
        SUBJECT,
        format!("arriving connections to {} go to the sidecar: new SSH log-ins, too", captured.join(", ")),
        "on a machine that you reach by SSH, leave port 22 out with --exclude-inbound-ports 22",
    )
}

/// Connections to port 22 of every address that others reach this host by; of any, where it has none yet.
fn flows(case: &Case) -> impl Iterator<Item = Flow> {
    let reachable = case.facts.addresses.iter().filter(|own| own.interface != case.facts.loopback);
    // A link's own addresses are not what people log in to.
    let reachable = reachable.filter(|own| !is_link_local(own.address));
    let mut flows: Vec<Flow> = reachable.map(|own| flow(own.address, Some(own.interface.clone()))).collect();
    if flows.is_empty() {
        flows.extend(case.families().map(|family| flow(family.elsewhere(), None)));
    }
    flows.into_iter()
}

fn flow(address: IpAddr, interface: Option<String>) -> Flow {
    let source = IpFamily::of(address).elsewhere();
    Flow { interface, ..Flow::inbound(SocketAddr::new(address, SSH), source) }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
