//! One connection to be tried: from where, where to, and for how long.
//!
//! Must never try a second time once something was sent: what is captured the first time may pass the second.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::client::of_error;
use super::port::WantedPort;
use super::{ActorError, Outcome};
use crate::patience::patient;

/// What a client says once it was answered, to see it come back.
pub(super) const WORDS: &[u8] = b"netsim says hello";

/// One connection to be tried.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Where to.
    pub to: SocketAddr,
    /// From which address; the kernel chooses when not given.
    pub from: Option<IpAddr>,
    /// From which port, if the kernel can be asked for one.
    pub port: Option<WantedPort>,
    /// How long it may take altogether.
    pub within: Duration,
    /// How many bytes are said, and must come back.
    pub bytes: usize,
}

impl Attempt {
    /// A connection from wherever the kernel chooses, that may take two seconds.
    pub fn to(to: SocketAddr) -> Self {
        Self { to, from: None, port: None, within: patient(Duration::from_secs(2)), bytes: WORDS.len() }
    }

    /// From this address.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// From this port, if the kernel can be asked for one.
    #[must_use]
    pub fn port(mut self, port: WantedPort) -> Self {
        self.port = Some(port);
        self
    }

    /// With so much to say.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Within this time.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

/// Why nothing came of a socket.
enum Failure {
    /// There is none, or it cannot come from where it shall.
    Socket(ActorError),
    /// What the kernel said later.
    Ended(io::Error),
}

impl Failure {
    fn cause(&self) -> Option<&io::Error> {
        match self {
            Self::Ended(error) | Self::Socket(ActorError::Source { source: error, .. }) => Some(error),
            Self::Socket(_) => None,
        }
    }
}

/// What `talk` makes of a socket, or how that ended. The next port is tried where the wanted one is taken, which the kernel
/// may find out no sooner than when it connects; then nothing was sent.
pub(super) async fn tried<T>(
    attempt: &Attempt,
    talk: impl AsyncFn(TcpSocket) -> io::Result<T>,
) -> Result<Result<T, Outcome>, ActorError> {
    let mut attempt = attempt.clone();
    loop {
        let failure = match socket(&attempt) {
            Err(error) => Failure::Socket(error),
            Ok(socket) => match timeout(attempt.within, talk(socket)).await {
                Err(_) => return Ok(Err(Outcome::TimedOut)),
                Ok(Ok(made)) => return Ok(Ok(made)),
                Ok(Err(error)) => Failure::Ended(error),
            },
        };
        let instead = attempt.port.zip(failure.cause()).and_then(|(port, cause)| port.instead(cause));
        match (instead, failure) {
            (Some(next), _) => attempt.port = Some(next),
            (None, Failure::Socket(error)) => return Err(error),
            (None, Failure::Ended(error)) => return Ok(Err(of_error(&error))),
        }
    }
}

/// A socket that will connect from where the attempt says.
fn socket(attempt: &Attempt) -> Result<TcpSocket, ActorError> {
    let make = || {
        let socket = match attempt.to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(port) = attempt.port {
            port.ask_of(&socket)?;
        }
        Ok(socket)
    };
    let socket = make().map_err(|source| ActorError::Socket { source })?;
    if let Some(address) = attempt.from {
        socket.bind((address, 0).into()).map_err(|source| ActorError::Source { address, source })?;
    }
    Ok(socket)
}
