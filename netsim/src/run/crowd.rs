//! Many connections or queries at once, all of which must end at one place.
//!
//! Must never forgive a single one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tproxy::plan::flow::{Flow, Protocol};

use super::stage::Stage;
use super::{About, Check, RunError, flow};
use crate::actor::{self, Enough, Tally};
use crate::patience::patient;
use crate::scenario::{Burst, Deed, Place, Queries, Until, Who};

/// How long all may take together.
const ALTOGETHER: Duration = Duration::from_secs(300);
/// How long a crowd goes on for the sake of what is done beside it.
const GOING_ON: Duration = Duration::from_secs(240);

pub(super) fn burst(stage: &Stage, wanted: &Burst) -> Result<Check, RunError> {
    let to = stage.endpoint(&wanted.to.value)?;
    let until = wanted.until.as_ref().map(|until| until.value);
    let title = format!("{} → {}, {}", wanted.from, wanted.to.value, times(wanted.connections, until));
    let tally = match stage.client(&wanted.from) {
        Some(client) => {
            let (connections, at_once) = (wanted.connections, wanted.at_once.max(1));
            let enough = enough(stage, until);
            client.burst(actor::Burst { to, connections, at_once, enough }, patient(ALTOGETHER))?
        }
        None => Tally::default(),
    };
    let check = judge(stage, title, &tally, (wanted.connections, until), &wanted.reaches);
    // Of what is installed when the last of them has ended.
    let explanation = flow::of(stage, &wanted.from, to, None)?.and_then(|flow| stage.explain(&flow));
    Ok(Check { explanation, ..check.along(way(&wanted.from, &tally)) })
}

pub(super) fn queries(stage: &Stage, wanted: &Queries) -> Result<Check, RunError> {
    let server = SocketAddr::new(stage.address(&wanted.server.value)?, 53);
    let source: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let until = wanted.until.as_ref().map(|until| until.value);
    let title = format!("{} asks {} {}", wanted.from, wanted.server.value, times(wanted.times, until));
    let queries = actor::Queries {
        name: wanted.ask.clone(),
        server,
        source,
        source_ports: wanted.source_ports.clone(),
        times: wanted.times,
        enough: enough(stage, until),
    };
    let tally = match stage.client(&wanted.from) {
        Some(client) => client.queries(queries, patient(ALTOGETHER))?,
        None => Tally::default(),
    };
    let check = judge(stage, title, &tally, (wanted.times, until), &wanted.reaches);
    let flow = flow::of(stage, &wanted.from, server, None)?;
    let explanation = flow.and_then(|flow| stage.explain(&Flow { protocol: Protocol::Udp, ..flow }));
    Ok(Check { explanation, ..check.along(way(&wanted.from, &tally)) })
}

/// By whom they came, if that is the same for all.
fn way(from: &Who, tally: &Tally) -> Vec<String> {
    match tally.0.keys().collect::<Vec<_>>().as_slice() {
        [end] => vec![from.to_string(), (*end).clone()],
        _ => Vec::new(),
    }
}

fn times(count: usize, until: Option<Until>) -> String {
    match until {
        None => format!("{count} times"),
        Some(Until { done, times }) => {
            format!("{count} times and until {done} is done {times} times")
        }
    }
}

/// Whether what is done beside a crowd is done, or takes too long.
fn enough(stage: &Stage, until: Option<Until>) -> Enough {
    let Some(until) = until else { return Enough::default() };
    let (deeds, deadline) = (stage.deeds.clone(), Instant::now() + patient(GOING_ON));
    Enough::when(move || deeds.look(|deeds| is_done(deeds, until)) || Instant::now() > deadline)
}

fn is_done(deeds: &BTreeMap<Deed, usize>, until: Until) -> bool {
    deeds.get(&until.done).is_some_and(|count| *count >= until.times)
}

fn judge(
    stage: &Stage,
    title: String,
    tally: &Tally,
    (times, until): (usize, Option<Until>),
    reaches: &Place,
) -> Check {
    let ends: Vec<String> = tally.0.iter().map(|(end, count)| format!("{count} {end}")).collect();
    let happened = if ends.is_empty() { "none".to_owned() } else { ends.join(", ") };
    let reached = tally.0.get(&reaches.to_string()).copied().unwrap_or(0);
    let mut problems = Vec::new();
    // What goes on until something is done is counted by nobody but itself.
    let (is_enough, wanted) = match until {
        None => (reached == times, format!("{times} {reaches}")),
        Some(_) => (reached >= times, format!("at least {times} {reaches} and nothing else")),
    };
    if !is_enough || tally.0.len() != 1 {
        problems.push(format!("expected {wanted}, got {happened}"));
    }
    if let Some(until) = until.filter(|until| stage.deeds.look(|deeds| !is_done(deeds, *until))) {
        problems.push(format!("{} was not done {} times beside it", until.done, until.times));
    }
    Check::new(About::Traffic, title, happened, problems)
}
