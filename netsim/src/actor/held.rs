//! A connection that was answered and is kept open, to be used again after something else has happened.
//!
//! Its socket belongs to the client that opened it, wherever it is used from. Must never open a second one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::attempt::WORDS;
use super::{ActorError, Answer};

/// A connection that is kept. It ends when dropped.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
    /// Who answered, and what they saw.
    pub answer: Answer,
    /// The client's own address.
    pub local: SocketAddr,
    /// Whom the client takes it to be talking to.
    pub peer_name: SocketAddr,
}

/// What came of something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It came back whole.
    Echoed,
    /// The connection is broken.
    Reset,
    /// The other side has ended it.
    Closed,
    /// Nothing came back in time.
    Unheard,
    /// Something else came back.
    Garbled,
}

impl Held {
    pub(super) fn keep(
        stream: tokio::net::TcpStream,
        answer: Answer,
        local: SocketAddr,
        peer_name: SocketAddr,
    ) -> io::Result<Self> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(Self { stream, answer, local, peer_name })
    }

    /// Says something and hears whether it comes back.
    ///
    /// # Errors
    /// The socket itself does not work.
    pub fn talk(&self, within: Duration) -> Result<Reaction, ActorError> {
        self.converse(within).map_err(|source| ActorError::Held { source })
    }

    fn converse(&self, within: Duration) -> io::Result<Reaction> {
        self.stream.set_read_timeout(Some(within))?;
        self.stream.set_write_timeout(Some(within))?;
        let mut heard = vec![0; WORDS.len()];
        let talked = (&self.stream).write_all(WORDS).and_then(|()| (&self.stream).read_exact(&mut heard));
        match talked {
            Ok(()) if heard == WORDS => Ok(Reaction::Echoed),
            Ok(()) => Ok(Reaction::Garbled),
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(Reaction::Reset),
                ErrorKind::UnexpectedEof => Ok(Reaction::Closed),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(Reaction::Unheard),
                _ => Err(error),
            },
        }
    }
}
