//! Many connections or queries at once, all of which must end at one place.
//!
//! Must never forgive a single one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::stage::Stage;
use super::{About, Check, RunError};
use crate::actor::{self, Tally};
use crate::scenario::{Burst, Place, Queries};

/// How long all may take together.
const ALTOGETHER: Duration = Duration::from_secs(120);

pub(super) fn burst(stage: &Stage, wanted: &Burst) -> Result<Check, RunError> {
    let to = stage.endpoint(&wanted.to.value)?;
    let title = format!("{} → {}, {} times", wanted.from, wanted.to.value, wanted.connections);
    let tally = match stage.client(&wanted.from) {
        Some(client) => {
            let (connections, at_once) = (wanted.connections, wanted.at_once.max(1));
            client.burst(actor::Burst { to, connections, at_once }, ALTOGETHER)?
        }
        None => Tally::default(),
    };
    Ok(judge(title, &tally, wanted.connections, &wanted.reaches))
}

pub(super) fn queries(stage: &Stage, wanted: &Queries) -> Result<Check, RunError> {
    let server = SocketAddr::new(stage.address(&wanted.server.value)?, 53);
    let source: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let title = format!("{} asks {} {} times", wanted.from, wanted.server.value, wanted.times);
    let queries = actor::Queries {
        name: wanted.ask.clone(),
        server,
        source,
        source_ports: wanted.source_ports.clone(),
        times: wanted.times,
    };
    let tally = match stage.client(&wanted.from) {
        Some(client) => client.queries(queries, ALTOGETHER)?,
        None => Tally::default(),
    };
    Ok(judge(title, &tally, wanted.times, &wanted.reaches))
}

fn judge(title: String, tally: &Tally, times: usize, reaches: &Place) -> Check {
    let ends: Vec<String> = tally.0.iter().map(|(end, count)| format!("{count} {end}")).collect();
    let happened = if ends.is_empty() { "none".to_owned() } else { ends.join(", ") };
    let reached = tally.0.get(&reaches.to_string()).copied().unwrap_or(0);
    let mut problems = Vec::new();
    if reached != times || tally.0.len() != 1 {
        problems.push(format!("expected {times} {reaches}, got {happened}"));
    }
    Check::new(About::Traffic, title, happened, problems)
}
