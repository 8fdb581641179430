//! Many queries as fast as they go out of a few source ports, and who answered them, counted.
//!
//! Every query has a socket of its own: only so can somebody else use the port in between.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::query::{self, Asked, Query};
use super::{ActorError, Enough, Tally};
use crate::patience::patient;

/// How long one query may take, the wait for its port included.
const EACH: Duration = Duration::from_secs(5);

/// Queries to be sent.
#[derive(Clone, Debug)]
pub struct Queries {
    /// The name to ask for.
    pub name: String,
    /// The server to ask.
    pub server: SocketAddr,
    /// The address to ask from; unspecified where the kernel chooses.
    pub source: IpAddr,
    /// The ports to ask from; all are used at the same time.
    pub source_ports: Vec<u16>,
    /// How many queries altogether, at least.
    pub times: usize,
    /// Goes on until there are enough.
    pub enough: Enough,
}

pub(super) async fn run(queries: Queries) -> Result<Tally, ActorError> {
    let lanes = queries.source_ports.len().max(1);
    let share = |lane: usize| queries.times / lanes + usize::from(lane < queries.times % lanes);
    let lanes = queries.source_ports.iter().enumerate().map(|(lane, port)| {
        let query = Query {
            name: queries.name.clone(),
            server: queries.server,
            from: Some(SocketAddr::new(queries.source, *port)),
            port: None,
            connected: false,
            within: patient(EACH),
        };
        one_port(query, share(lane), &queries.enough)
    });
    let mut tally = Tally::default();
    for lane in try_join_all(lanes).await? {
        for (end, count) in lane.0 {
            *tally.0.entry(end).or_default() += count;
        }
    }
    Ok(tally)
}

/// Connected and unconnected sockets in turn.
async fn one_port(query: Query, times: usize, enough: &Enough) -> Result<Tally, ActorError> {
    let mut tally = Tally::default();
    let mut number = 0;
    while number < times || !enough.is_so() {
        number += 1;
        let end = match query::ask(Query { connected: number % 2 == 1, ..query.clone() }).await? {
            Asked::Answered { answer, from } if from == query.server => answer.actor,
            Asked::Answered { answer, from } => format!("{} from {from}", answer.actor),
            Asked::Refused => "refused".to_owned(),
            Asked::TimedOut => "timed out".to_owned(),
            Asked::Unreachable(why) | Asked::Unintelligible(why) => why,
        };
        *tally.0.entry(end).or_default() += 1;
    }
    Ok(tally)
}
