//! Drives one connection and judges where it ended.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tproxy::plan::explain::Explanation;
use tproxy::plan::flow::{Direction, Flow, Protocol, Verdict};

use super::stage::Stage;
use super::wires::Watch;
use super::{About, Check, RunError, flow, oracle};
use crate::actor::{Attempt, Outcome, Seen};
use crate::patience::patient;
use crate::scenario::{self, Endpoint, Expectation, Place};

/// How long a connection with much to say may take.
const MANY_BYTES: Duration = Duration::from_secs(30);

/// What is known of a connection after it was tried.
struct Happened {
    /// Who answered, in the schema's words; `None` when it ended otherwise.
    place: Option<Place>,
    /// The same for people.
    words: String,
    outcome: Outcome,
    /// The sidecar's listeners that it came by, in order.
    passed: Vec<Seen>,
}

pub(super) fn check(stage: &Stage, wanted: &Expectation, to: &Endpoint) -> Result<Check, RunError> {
    let destination = stage.endpoint(to)?;
    let source = wanted.source.as_ref().map(|name| stage.address(&name.value)).transpose()?;
    let watch = Watch::begin(stage, wanted)?;
    let happened = connect(stage, wanted, destination, source)?;
    let flow = flow::of(stage, &wanted.from, destination, source)?;
    let explanation = flow.and_then(|flow| stage.explain(&Flow { protocol: protocol(wanted), ..flow }));
    let mut problems = watch.end(destination, wanted.protocol == scenario::Protocol::Tcp)?;
    judge_place(wanted, &happened, &mut problems);
    // The kernel turns the unspecified address into localhost before anything else sees it.
    let meant = Flow::new(Direction::Outbound, destination).as_sent().destination;
    judge_sender(meant, &happened, &mut problems);
    judge_sidecar(stage, wanted, destination, &happened, &mut problems)?;
    judge_policy(stage, wanted, explanation.as_ref(), destination, &happened, &mut problems);
    let from = wanted.source.as_ref().map_or_else(String::new, |source| format!(" from {}", source.value));
    let title = format!("{} → {to}{from}", wanted.from);
    let mut way: Vec<String> = happened.passed.iter().map(|seen| seen.actor.clone()).collect();
    way.push(happened.words.clone());
    // A sidecar that does not forward both takes the flow and answers it.
    way.dedup();
    let path = std::iter::once(wanted.from.to_string()).chain(way);
    let check = Check::new(About::Traffic, title, happened.words.clone(), problems).along(path);
    Ok(Check { explanation, ..check })
}

/// The protocol in tproxy's terms.
fn protocol(wanted: &Expectation) -> Protocol {
    match wanted.protocol {
        scenario::Protocol::Tcp => Protocol::Tcp,
        scenario::Protocol::Udp => Protocol::Udp,
    }
}

fn connect(
    stage: &Stage,
    wanted: &Expectation,
    to: SocketAddr,
    source: Option<IpAddr>,
) -> Result<Happened, RunError> {
    // What earlier connections left in the log is not this one's.
    stage.proxy.take_seen();
    let port = Some(stage.ports.next(&wanted.from));
    let attempt = Attempt { from: source, port, ..Attempt::to(to) };
    let attempt = match wanted.bytes {
        Some(bytes) => attempt.bytes(bytes).within(patient(MANY_BYTES)),
        None => attempt,
    };
    let outcome = match (stage.client(&wanted.from), wanted.protocol) {
        (Some(client), scenario::Protocol::Tcp) => client.connect(attempt)?,
        (Some(client), scenario::Protocol::Udp) => client.send(attempt)?,
        (None, _) => Outcome::Unreachable(format!("{} is not on the stage", wanted.from)),
    };
    let passed = stage.proxy.take_seen();
    let (place, words) = match &outcome {
        Outcome::Answered { answer, .. } => (Some(Place::from(answer.actor.clone())), answer.actor.clone()),
        Outcome::Refused => (Some(Place::Refused), "refused".to_owned()),
        Outcome::Reset => (Some(Place::Reset), "reset".to_owned()),
        Outcome::TimedOut => (Some(Place::Unanswered), "unanswered".to_owned()),
        Outcome::Unreachable(reason) => (Some(Place::Unreachable), format!("unreachable ({reason})")),
        other => (None, format!("{other:?}")),
    };
    Ok(Happened { place, words, outcome, passed })
}

fn judge_place(wanted: &Expectation, happened: &Happened, problems: &mut Vec<String>) {
    if let Some(place) = wanted.reaches.as_ref().filter(|place| happened.place.as_ref() != Some(*place)) {
        problems.push(format!("expected to reach {place}, got {}", happened.words));
    }
}

/// Whatever was done with it, the sender talks to whom it meant, and what it said arrived.
fn judge_sender(destination: SocketAddr, happened: &Happened, problems: &mut Vec<String>) {
    if let Outcome::Answered { peer_name, echoed, .. } = &happened.outcome {
        if *peer_name != destination {
            problems.push(format!("the sender's getpeername is {peer_name}, not {destination}"));
        }
        if !echoed {
            problems.push("what the sender said did not come back whole".to_owned());
        }
    }
}

/// What the sidecar learned: the original destination always, the rest where the scenario says.
fn judge_sidecar(
    stage: &Stage,
    wanted: &Expectation,
    destination: SocketAddr,
    happened: &Happened,
    problems: &mut Vec<String>,
) -> Result<(), RunError> {
    let learned = happened.passed.first();
    let original = learned.map(|seen| seen.original_destination);
    let expected = match &wanted.original_destination {
        Some(endpoint) => Some(stage.endpoint(&endpoint.value)?),
        // Every redirected flow keeps its destination, whether the scenario says so or not.
        None => learned.map(|_| destination),
    };
    if original.flatten() != expected {
        problems.push(format!(
            "original destination: expected {}, the sidecar learned {}",
            show(expected),
            show(original.flatten())
        ));
    }
    if let Some(name) = &wanted.sees_source {
        let expected = stage.address(&name.value)?;
        let seen = learned.map(|seen| seen.source.ip()).or_else(|| answered_to(&happened.outcome));
        if seen != Some(expected) {
            problems.push(format!("source: expected {expected}, seen was {}", show(seen)));
        }
    }
    if let Some(through) = &wanted.through {
        let names =
            |names: Vec<String>| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let expected = names(through.iter().map(ToString::to_string).collect());
        let passed = names(happened.passed.iter().map(|seen| seen.actor.clone()).collect());
        if expected != passed {
            problems.push(format!("expected to pass {expected}, passed {passed}"));
        }
    }
    Ok(())
}

/// The policy must say what the packets did: the first listener that the flow came by, or none. Where nothing is
/// installed, everything passes.
fn judge_policy(
    stage: &Stage,
    wanted: &Expectation,
    explanation: Option<&Explanation>,
    destination: SocketAddr,
    happened: &Happened,
    problems: &mut Vec<String>,
) {
    let verdict = explanation.map_or(Verdict::Pass, |explanation| explanation.decision.verdict);
    let line =
        explanation.map_or_else(String::new, |explanation| format!(" ({})", explanation.decision.line));
    // Whoever was killed takes nothing, and where the scenario says that packets get lost they reach nobody.
    let is_lost = wanted.reaches == Some(Place::Unanswered) && happened.place == Some(Place::Unanswered);
    let predicted = oracle::first_listener(verdict, destination, &stage.now_or_first())
        .filter(|_| stage.proxy.is_running() && !is_lost)
        .map(|place| place.to_string());
    let first = happened.passed.first().map(|seen| seen.actor.clone());
    if predicted != first {
        let name =
            |listener: Option<String>| listener.unwrap_or_else(|| "no listener of the sidecar".to_owned());
        problems.push(format!(
            "the policy says {verdict}{line}, so {} takes it; it came by {}",
            name(predicted),
            name(first)
        ));
    }
}

fn answered_to(outcome: &Outcome) -> Option<IpAddr> {
    match outcome {
        Outcome::Answered { answer, .. } => Some(answer.client.ip()),
        _ => None,
    }
}

fn show(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
