//! What must become of a flow, and whether it did.
//!
//! Pure. Must never know how a backend does it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tproxy::backend::BackendId;
use tproxy::plan::Plan;
use tproxy::plan::flow::{Direction, Flow, Protocol, Verdict};

use super::lab::is_sidecars;
use super::options::Options;
use super::world::{Claim, Sender, Shot, Transport};
use crate::actor::{Answer, Outcome};
use crate::scenario::{self, Files, InstallError, POD};
use crate::topology::{IpFamily, Topology};

/// What was wrong with a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It did not go as the policy says.
    Policy { says: String, happened: String },
    /// It did not go as the generator says, whatever the policy says.
    Claim { says: Claim, policy: String, happened: String },
    /// It was delivered, but something about it was not kept.
    Kept { what: String },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy { says, happened } => write!(f, "the policy says {says}; {happened}"),
            Self::Claim { says, policy, happened } => {
                write!(f, "built to be {says}; the policy says {policy}; {happened}")
            }
            Self::Kept { what } => f.write_str(what),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passes => f.write_str("passed"),
            Self::Redirected(port) => write!(f, "redirected to port {port}"),
        }
    }
}

/// The plan that options mean in the world.
///
/// # Errors
/// tproxy would refuse them.
pub(super) fn plan(options: &Options, backend: BackendId, topology: &Topology) -> Result<Plan, InstallError> {
    scenario::plan(&options.install().by(backend), &Files::default(), topology)
}

/// The flow as the pod's kernel sees its first packet; `None` where it does not come by the pod.
pub(super) fn flow(shot: &Shot, topology: &Topology, plan: &Plan) -> Option<Flow> {
    let protocol = match shot.transport {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    };
    let destination = shot.to.ip();
    match shot.from {
        Sender::Node(node) => Some(Flow {
            protocol,
            source: shot.source.or_else(|| source_of(node, destination, topology)),
            interface: Some(topology.arrival(node, destination, POD)?.to_owned()),
            ..Flow::new(Direction::Inbound, shot.to)
        }),
        Sender::Local(_) => {
            let identity = shot.from.identity()?;
            let leaves = !plan.host.owns(destination);
            let interface = topology.egress(POD, destination).filter(|_| leaves).map(str::to_owned);
            Some(Flow {
                protocol,
                source: shot.source,
                uid: Some(identity.uid),
                gid: Some(identity.gid),
                interface,
                ..Flow::new(Direction::Outbound, shot.to)
            })
        }
    }
}

/// The address that a node's kernel chooses: the first one of the interface by which the flow leaves.
fn source_of(node: &str, destination: IpAddr, topology: &Topology) -> Option<IpAddr> {
    let interface = topology.egress(node, destination)?;
    let end = topology.ends_of(node).find(|end| end.interface == interface)?;
    let mut addresses = end.addresses.iter().map(ipnet::IpNet::addr);
    addresses.find(|address| IpFamily::of(*address) == IpFamily::of(destination))
}

/// What is wrong with how a flow ended.
pub(super) fn judge(shot: &Shot, plan: &Plan, topology: &Topology, outcome: &Outcome) -> Option<Mismatch> {
    let verdict = flow(shot, topology, plan).map_or(Verdict::Pass, |flow| plan.verdict(&flow).verdict);
    let policy_holds = match verdict {
        Verdict::Refuse => matches!(outcome, Outcome::Unreachable(_)),
        verdict => ended_as(claimed(verdict), shot, topology, outcome),
    };
    if let Some(claim) = shot.claim
        && !ended_as(Some(claim), shot, topology, outcome)
    {
        return Some(Mismatch::Claim { says: claim, policy: verdict.to_string(), happened: words(outcome) });
    }
    if !policy_holds {
        return Some(Mismatch::Policy { says: verdict.to_string(), happened: words(outcome) });
    }
    kept(shot, verdict, outcome).map(|what| Mismatch::Kept { what })
}

/// What the policy says of a flow, in the words of a claim; `None` for what is dropped.
pub(super) fn expected(shot: &Shot, plan: &Plan, topology: &Topology) -> Option<Claim> {
    claimed(flow(shot, topology, plan).map_or(Verdict::Pass, |flow| plan.verdict(&flow).verdict))
}

/// A verdict in the words of a claim; `None` for what is dropped.
fn claimed(verdict: Verdict) -> Option<Claim> {
    match verdict {
        Verdict::Pass => Some(Claim::Passes),
        Verdict::Redirect(port) => Some(Claim::Redirected(port.get())),
        Verdict::Drop | Verdict::Refuse => None,
    }
}

/// Whether a flow ended so; `None` means that nobody answers.
fn ended_as(claim: Option<Claim>, shot: &Shot, topology: &Topology, outcome: &Outcome) -> bool {
    match (claim, outcome) {
        (None, outcome) => *outcome == Outcome::TimedOut,
        (Some(Claim::Redirected(port)), Outcome::Answered { answer, .. }) => {
            // eBPF hands an arriving connection to the listener as it was sent, to the address it was sent to.
            let is_handed_over =
                || answer.original_destination == Some(answer.local) && answer.actor == sidecar_by(port);
            answer.actor.starts_with("sidecar") && (answer.local.port() == port || is_handed_over())
        }
        (Some(Claim::Passes), Outcome::Answered { answer, .. }) => {
            answer.actor == destination(shot, topology) && answer.local.port() == shot.to.port()
        }
        (Some(_), _) => false,
    }
}

/// Who answers a flow that goes where it was sent.
fn destination(shot: &Shot, topology: &Topology) -> String {
    let address = shot.to.ip();
    let home = match shot.from {
        Sender::Local(_) => POD,
        Sender::Node(node) => node,
    };
    let node = if address.is_loopback() { home } else { topology.owner(address).unwrap_or(home) };
    match (node, shot.transport) {
        (POD, Transport::Tcp) if is_sidecars(shot.to) => sidecar_at(shot.to),
        (POD, Transport::Udp) if super::world::QUERIES.contains(&shot.to.port()) => "sidecar-dns".to_owned(),
        (POD, _) => "app".to_owned(),
        (node, _) => node.to_owned(),
    }
}

fn sidecar_at(at: SocketAddr) -> String {
    sidecar_by(at.port())
}

/// The sidecar's listener on a port.
fn sidecar_by(port: u16) -> String {
    let side = if super::world::INBOUND.contains(&port) { "inbound" } else { "outbound" };
    format!("sidecar-{side}")
}

/// What every flow keeps, whatever becomes of it.
fn kept(shot: &Shot, verdict: Verdict, outcome: &Outcome) -> Option<String> {
    let Outcome::Answered { answer, peer_name, local, .. } = outcome else { return None };
    if *peer_name != shot.to {
        return Some(format!("the sender's getpeername is {peer_name}, not {}", shot.to));
    }
    if let Some(what) = source_kept(shot, answer, *local) {
        return Some(what);
    }
    let redirected = matches!(verdict, Verdict::Redirect(_)) && shot.transport == Transport::Tcp;
    (redirected && answer.original_destination != Some(shot.to))
        .then(|| format!("the sidecar learned {:?}, not {}", answer.original_destination, shot.to))
}

/// Whoever answers sees the sender's address.
fn source_kept(shot: &Shot, answer: &Answer, local: SocketAddr) -> Option<String> {
    // REDIRECT of a local flow delivers it to loopback with the source that it had.
    let seen = answer.client.ip();
    (seen != local.ip())
        .then(|| format!("{} saw {seen}, not {}, as the source of {}", answer.actor, local.ip(), shot.to))
}

/// How a flow ended, for people.
pub(super) fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered { answer, .. } => format!("{} answered at {}", answer.actor, answer.local),
        Outcome::Refused => "it was refused".to_owned(),
        Outcome::Reset => "it was reset".to_owned(),
        Outcome::TimedOut => "nobody answered".to_owned(),
        other => format!("{other:?}"),
    }
}
