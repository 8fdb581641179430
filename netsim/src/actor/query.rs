//! A DNS query that a client sends, and how it ended.
//!
//! Must never retry: a second query could be captured where the first was not.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::dns::{answer_in, question};
use super::port::{WantedPort, bind_from, when_free};
use super::{ActorError, Answer};

/// The largest answer that is read.
const LARGEST: usize = 4096;

/// One query to be sent.
#[derive(Clone, Debug)]
pub struct Query {
    /// The name to ask for.
    pub name: String,
    /// The server to ask.
    pub server: SocketAddr,
    /// From where; the kernel chooses the address of an unspecified one, and the port of 0.
    pub from: Option<SocketAddr>,
    /// From which port, where the kernel shall choose one and can be asked.
    pub port: Option<WantedPort>,
    /// Whether the socket is connected to the server: then the kernel lets answers of the server only through.
    pub connected: bool,
    /// How long it may take.
    pub within: Duration,
}

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Somebody answered.
    Answered {
        /// Who, and what they saw.
        answer: Answer,
        /// The address from which the answer came.
        from: SocketAddr,
    },
    /// Nobody listens there.
    Refused,
    /// Nothing came in time.
    TimedOut,
    /// The kernel does not let it leave, or the network does not take it.
    Unreachable(String),
    /// What came is not an answer.
    Unintelligible(String),
}

/// Sends a query and says how it ended.
pub(super) async fn ask(query: Query) -> Result<Asked, ActorError> {
    let any: SocketAddr = if query.server.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let address = query.from.unwrap_or(any);
    let socket = when_free(query.within, || bind_from(address, query.port))
        .await
        .map_err(|source| ActorError::Source { address: address.ip(), source })?;
    Ok(match timeout(query.within, exchange(&socket, &query)).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Asked::Refused,
        Ok(Err(error)) => Asked::Unreachable(error.to_string()),
        Err(_) => Asked::TimedOut,
    })
}

async fn exchange(socket: &UdpSocket, query: &Query) -> io::Result<Asked> {
    // The port tells queries apart; an id of one's own tells a late answer from this one.
    let id = socket.local_addr()?.port();
    let datagram = question(&query.name, id)?;
    let mut buffer = vec![0; LARGEST];
    let (length, from) = if query.connected {
        socket.connect(query.server).await?;
        socket.send(&datagram).await?;
        (socket.recv(&mut buffer).await?, socket.peer_addr()?)
    } else {
        socket.send_to(&datagram, query.server).await?;
        socket.recv_from(&mut buffer).await?
    };
    let reply = buffer.get(..length).unwrap_or_default();
    Ok(match answer_in(reply, id) {
        Some(answer) => Asked::Answered { answer, from },
        None => Asked::Unintelligible(format!("{length} bytes from {from}")),
    })
}
