//! A client: connects somewhere as somebody and tells how it ended, in a closed vocabulary.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::attempt::{Attempt, WORDS, tried};
use super::burst::{self, Burst, Tally};
use super::queries::{self, Queries};
use super::query::{self, Asked, Query};
use super::volley::{self, Flight};
use super::work::{self, Done, Work};
use super::{ActorError, Answer, Held, datagrams};
use crate::node::{Actor, Identity, Node, Pending};
use crate::patience::patient;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Somebody answered.
    Answered {
        /// Who, and what they saw.
        answer: Answer,
        /// Whom the client's kernel takes it to be talking to.
        peer_name: SocketAddr,
        /// The client's own address.
        local: SocketAddr,
        /// Whether what the client then said came back whole.
        echoed: bool,
    },
    /// Nobody listens there.
    Refused,
    /// It was broken off.
    Reset,
    /// Nothing came in time.
    TimedOut,
    /// The kernel does not let it leave, or the network does not take it.
    Unreachable(String),
    /// It was accepted and closed without an answer.
    Closed,
    /// What came is not an answer.
    Unintelligible(String),
}

/// A thread with an identity, from which connections are tried, as many as one likes.
#[derive(Debug)]
pub struct Client {
    actor: Actor,
}

impl Client {
    /// Starts a client.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn start(node: &Node, name: &str, identity: Identity) -> Result<Self, ActorError> {
        Ok(Self { actor: node.actor(name, identity)? })
    }

    /// Who the client is.
    pub fn identity(&self) -> Identity {
        self.actor.identity()
    }

    /// Tries a connection and says how it ended.
    ///
    /// # Errors
    /// When it could not even be tried.
    pub fn connect(&self, attempt: Attempt) -> Result<Outcome, ActorError> {
        self.begin(attempt).wait()?
    }

    /// Sends a datagram and says who answered.
    ///
    /// # Errors
    /// When it could not even be sent.
    pub fn send(&self, attempt: Attempt) -> Result<Outcome, ActorError> {
        let patience = attempt.within + patient(Duration::from_secs(1));
        self.actor.submit(patience, move || datagrams::exchange(attempt)).wait()?
    }

    /// Sends a query and says how it ended.
    ///
    /// # Errors
    /// When it could not even be sent.
    pub fn ask(&self, query: Query) -> Result<Asked, ActorError> {
        self.actor.submit(query.within + patient(Duration::from_secs(1)), move || query::ask(query)).wait()?
    }

    /// Makes many connections, and says how they ended, when all have.
    ///
    /// # Errors
    /// The client's thread is gone, or does not come to an end within `within`.
    pub fn burst(&self, burst: Burst, within: Duration) -> Result<Tally, ActorError> {
        Ok(self.actor.submit(within, move || burst::run(burst)).wait()?)
    }

    /// Does work as fast as it goes, and times each piece of it.
    ///
    /// # Errors
    /// It could not even be tried, or does not come to an end within `within`.
    pub fn work(&self, work: Work, within: Duration) -> Result<Done, ActorError> {
        self.actor.submit(within, move || work::run(work)).wait()?
    }

    /// Opens a connection and keeps it, or says how it ended.
    ///
    /// # Errors
    /// When it could not even be tried.
    pub fn hold(&self, attempt: Attempt) -> Result<Result<Held, Outcome>, ActorError> {
        let patience = attempt.within + patient(Duration::from_secs(1));
        self.actor.submit(patience, move || hold(attempt)).wait()?
    }

    /// Sends many queries, and says who answered them, when all have ended.
    ///
    /// # Errors
    /// One could not even be sent, or they do not come to an end within `within`.
    pub fn queries(&self, queries: Queries, within: Duration) -> Result<Tally, ActorError> {
        self.actor.submit(within, move || queries::run(queries)).wait()?
    }

    /// Sends many flows, so many at a time, and says how each ended, when all have.
    ///
    /// # Errors
    /// One could not even be tried, or they do not come to an end within `within`.
    pub fn volley(
        &self,
        flights: Vec<Flight>,
        at_once: usize,
        within: Duration,
    ) -> Pending<Result<Vec<Outcome>, ActorError>> {
        self.actor.submit(within, move || volley::run(flights, at_once))
    }

    /// Begins to try a connection, so that several can go on side by side.
    pub fn begin(&self, attempt: Attempt) -> Pending<Result<Outcome, ActorError>> {
        // The attempt keeps its own time; the thread's is only for a thread that hangs.
        let patience = attempt.within + patient(Duration::from_secs(1));
        self.actor.submit(patience, move || run(attempt))
    }
}

async fn run(attempt: Attempt) -> Result<Outcome, ActorError> {
    let talked = tried(&attempt, async |socket| converse(socket, attempt.to, attempt.bytes).await).await?;
    Ok(talked.unwrap_or_else(|outcome| outcome))
}

async fn hold(attempt: Attempt) -> Result<Result<Held, Outcome>, ActorError> {
    let held = tried(&attempt, async |socket| begin_to_hold(socket, attempt.to).await).await?;
    Ok(held.flatten())
}

async fn begin_to_hold(socket: TcpSocket, to: SocketAddr) -> io::Result<Result<Held, Outcome>> {
    let mut stream = socket.connect(to).await?;
    let (local, peer_name) = (stream.local_addr()?, stream.peer_addr()?);
    Ok(match Answer::read(&mut stream).await? {
        Ok(answer) => Ok(Held::keep(stream, answer, local, peer_name)?),
        Err(bytes) => Err(without_answer(&bytes)),
    })
}

/// What is known of a connection whose first line is no answer.
pub(super) fn without_answer(bytes: &[u8]) -> Outcome {
    match bytes {
        [] => Outcome::Closed,
        bytes => Outcome::Unintelligible(String::from_utf8_lossy(bytes).into_owned()),
    }
}

async fn converse(socket: TcpSocket, to: SocketAddr, bytes: usize) -> io::Result<Outcome> {
    let mut stream = socket.connect(to).await?;
    let (local, peer_name) = (stream.local_addr()?, stream.peer_addr()?);
    Ok(match Answer::read(&mut stream).await? {
        Ok(answer) => {
            let echoed = echo(&mut stream, bytes).await?;
            Outcome::Answered { answer, peer_name, local, echoed }
        }
        Err(bytes) => without_answer(&bytes),
    })
}

/// Says something, hangs up on that side, and hears whether it comes back: both directions and their ends work.
async fn echo(stream: &mut TcpStream, bytes: usize) -> io::Result<bool> {
    let words: Vec<u8> = WORDS.iter().copied().cycle().take(bytes).collect();
    let (mut reader, mut writer) = stream.split();
    let say = async {
        writer.write_all(&words).await?;
        writer.shutdown().await
    };
    let mut heard = Vec::new();
    // At once, or both sides would wait for each other when much is said.
    tokio::try_join!(say, reader.read_to_end(&mut heard))?;
    Ok(heard == words)
}

pub(super) fn of_error(error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Refused,
        // A connection that was reset before its names were asked for is not connected any more.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => Outcome::Reset,
        ErrorKind::TimedOut => Outcome::TimedOut,
        _ => Outcome::Unreachable(error.to_string()),
    }
}
