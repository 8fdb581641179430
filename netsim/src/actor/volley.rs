//! Many different flows of one client, some at a time, each with how it ended.
//!
//! Must never keep a connection longer than its answer: a volley is about who takes them.

use std::io;

use futures_util::StreamExt;
use futures_util::stream::iter;
use tokio::net::TcpStream;

use super::attempt::{Attempt, tried};
use super::client::without_answer;
use super::{ActorError, Answer, Outcome, datagrams};

/// One flow of a volley.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Where to, from where.
    pub attempt: Attempt,
    /// By a datagram instead of a connection.
    pub is_datagram: bool,
}

/// How all of them ended, in their order.
pub(super) async fn run(flights: Vec<Flight>, at_once: usize) -> Result<Vec<Outcome>, ActorError> {
    let outcomes: Vec<Result<Outcome, ActorError>> =
        iter(flights.into_iter().map(one)).buffered(at_once.max(1)).collect().await;
    outcomes.into_iter().collect()
}

async fn one(flight: Flight) -> Result<Outcome, ActorError> {
    let Flight { attempt, is_datagram } = flight;
    if is_datagram {
        return datagrams::exchange(attempt).await;
    }
    let answered = tried(&attempt, async |socket| answer(socket.connect(attempt.to).await?).await).await?;
    Ok(answered.unwrap_or_else(|outcome| outcome))
}

async fn answer(mut stream: TcpStream) -> io::Result<Outcome> {
    let (local, peer_name) = (stream.local_addr()?, stream.peer_addr()?);
    // Closed by a reset, so that thousands of ports are not kept waiting.
    stream.set_zero_linger()?;
    Ok(match Answer::read(&mut stream).await? {
        Ok(answer) => Outcome::Answered { answer, peer_name, local, echoed: true },
        Err(bytes) => without_answer(&bytes),
    })
}
