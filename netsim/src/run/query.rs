//! Sends DNS queries and judges who answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tproxy::plan::flow::{Flow, Protocol, Verdict};

use super::stage::Stage;
use super::wires::Watch;
use super::{About, Check, RunError, flow};
use crate::actor::{Asked, Query};
use crate::patience::patient;
use crate::scenario::{Expectation, Place};

const PORT: u16 = 53;
/// A query that nobody takes is known by this.
const WITHIN: Duration = Duration::from_secs(2);

/// One check for each kind of socket that the expectation asks with.
pub(super) fn checks(stage: &Stage, wanted: &Expectation, name: &str) -> Result<Vec<Check>, RunError> {
    let kinds = wanted.connected.map_or_else(|| vec![false, true], |connected| vec![connected]);
    kinds.into_iter().map(|connected| check(stage, wanted, name, connected)).collect()
}

fn check(stage: &Stage, wanted: &Expectation, name: &str, connected: bool) -> Result<Check, RunError> {
    let asked = wanted.server.as_ref().map_or("", |server| server.value.as_str());
    let server = SocketAddr::new(stage.address(asked)?, wanted.server_port.unwrap_or(PORT));
    let source = wanted.source.as_ref().map(|source| stage.address(&source.value)).transpose()?;
    let from = match (source, wanted.source_port) {
        (None, None) => None,
        (source, port) => Some(SocketAddr::new(source.unwrap_or(any(server)), port.unwrap_or(0))),
    };
    let port = Some(stage.ports.next(&wanted.from));
    let query = Query { name: name.to_owned(), server, from, port, connected, within: patient(WITHIN) };
    let watch = Watch::begin(stage, wanted)?;
    let happened = match stage.client(&wanted.from) {
        Some(client) => client.ask(query)?,
        None => Asked::Unreachable(format!("{} is not on the stage", wanted.from)),
    };
    let flow = flow::of(stage, &wanted.from, server, source)?;
    let explanation = flow.and_then(|flow| stage.explain(&Flow { protocol: Protocol::Udp, ..flow }));
    let mut problems = watch.end(server, false)?;
    judge_place(wanted, &happened, &mut problems);
    judge_source(stage, wanted, server, &happened, &mut problems)?;
    let verdict = explanation.as_ref().map_or(Verdict::Pass, |explanation| explanation.decision.verdict);
    judge_policy(verdict, &happened, &mut problems);
    let socket = if connected { "connected" } else { "unconnected" };
    let title = format!("{} asks {asked} ({socket})", wanted.from);
    let path = [wanted.from.to_string(), words(&happened)];
    Ok(Check { explanation, ..Check::new(About::Traffic, title, words(&happened), problems).along(path) })
}

/// The address that leaves the choice to the kernel.
fn any(server: SocketAddr) -> IpAddr {
    if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn words(happened: &Asked) -> String {
    match happened {
        Asked::Answered { answer, .. } => answer.actor.clone(),
        Asked::Refused => Place::Refused.to_string(),
        Asked::TimedOut => Place::Unanswered.to_string(),
        other => format!("{other:?}"),
    }
}

fn judge_place(wanted: &Expectation, happened: &Asked, problems: &mut Vec<String>) {
    let reached = words(happened);
    if let Some(place) = wanted.reaches.as_ref().filter(|place| place.to_string() != reached) {
        problems.push(format!("expected to reach {place}, got {reached}"));
    }
}

/// The answer comes from the server that was asked, whoever gave it; and who gave it saw whom the scenario says.
fn judge_source(
    stage: &Stage,
    wanted: &Expectation,
    server: SocketAddr,
    happened: &Asked,
    problems: &mut Vec<String>,
) -> Result<(), RunError> {
    let Asked::Answered { answer, from } = happened else { return Ok(()) };
    let expected = match &wanted.answered_from {
        Some(name) => SocketAddr::new(stage.address(&name.value)?, server.port()),
        None => server,
    };
    if *from != expected {
        problems.push(format!("the answer came from {from}, not from {expected}"));
    }
    if let Some(name) = &wanted.sees_source {
        let (expected, seen): (IpAddr, IpAddr) = (stage.address(&name.value)?, answer.client.ip());
        if seen != expected {
            problems.push(format!("source: expected {expected}, seen was {seen}"));
        }
    }
    Ok(())
}

/// The policy must say what the packets did.
fn judge_policy(verdict: Verdict, happened: &Asked, problems: &mut Vec<String>) {
    let Asked::Answered { answer, .. } = happened else { return };
    let captured = answer.actor == Place::SidecarDns.to_string();
    if captured != matches!(verdict, Verdict::Redirect(_)) {
        problems.push(format!("the policy says {verdict}; {} answered", answer.actor));
    }
}
