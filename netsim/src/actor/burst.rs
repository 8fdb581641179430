//! Many connections as fast as they go, and how they ended, counted.
//!
//! Must never keep one connection longer than its answer: a burst is about who takes them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Answer, Enough};
use crate::patience::patient;

/// How long one connection of a burst may take.
const EACH: Duration = Duration::from_secs(5);

/// Connections to be made.
#[derive(Clone, Debug)]
pub struct Burst {
    /// Where to.
    pub to: SocketAddr,
    /// How many altogether, at least.
    pub connections: usize,
    /// How many at a time.
    pub at_once: usize,
    /// Goes on until there are enough.
    pub enough: Enough,
}

/// How the connections of a burst ended: how many by who answered, or by how they failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally(pub BTreeMap<String, usize>);

pub(super) async fn run(burst: Burst) -> Tally {
    let share = |lane: usize| {
        burst.connections / burst.at_once + usize::from(lane < burst.connections % burst.at_once)
    };
    let lanes = (0..burst.at_once).map(|lane| lane_of(burst.to, share(lane), &burst.enough));
    let mut tally = Tally::default();
    for lane in join_all(lanes).await {
        for (end, count) in lane.0 {
            *tally.0.entry(end).or_default() += count;
        }
    }
    tally
}

async fn lane_of(to: SocketAddr, connections: usize, enough: &Enough) -> Tally {
    let mut tally = Tally::default();
    let mut made = 0;
    while made < connections || !enough.is_so() {
        made += 1;
        let end = match timeout(patient(EACH), one(to)).await {
            Ok(Ok(actor)) => actor,
            Ok(Err(error)) => error.kind().to_string(),
            Err(_) => "timed out".to_owned(),
        };
        *tally.0.entry(end).or_default() += 1;
    }
    tally
}

async fn one(to: SocketAddr) -> std::io::Result<String> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let mut stream: TcpStream = socket.connect(to).await?;
    // Closed by a reset, so that thousands of ports are not kept waiting.
    stream.set_zero_linger()?;
    Ok(match Answer::read(&mut stream).await? {
        Ok(answer) => answer.actor,
        Err(bytes) if bytes.is_empty() => "closed without an answer".to_owned(),
        Err(_) => "not an answer".to_owned(),
    })
}
