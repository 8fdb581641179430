//! Listening, connecting, and the exchange of a token.
//!
//! Must never share a port with somebody who listens there.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};

use super::Outcome;
use super::place::as_user;
use super::token::Token;

/// How long an answer may take that comes from this process.
pub(super) const ANSWERING: Duration = Duration::from_secs(1);

/// Listens as user `uid`.
pub(super) fn listen(address: SocketAddr, uid: Option<u32>) -> Result<TcpListener, Outcome> {
    let bound = as_user(uid, || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| cannot_listen(address, &error))
}

/// Receives datagrams as user `uid`.
pub(super) fn receive(address: SocketAddr, uid: Option<u32>) -> Result<UdpSocket, Outcome> {
    let bound = as_user(uid, || {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(ANSWERING))?;
        Ok(socket)
    });
    bound.map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Outcome {
    Outcome::NotProbed(match error.kind() {
        ErrorKind::AddrInUse => {
            format!("somebody listens on {address} already, perhaps the sidecar, which is left alone")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// What an error says to somebody who knows nothing of sockets that do not block.
pub(super) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "nothing came in time".to_owned(),
        _ => error.to_string(),
    }
}

/// Connects from `source`, or from wherever the kernel chooses.
pub(super) fn connect(
    source: Option<SocketAddr>,
    destination: SocketAddr,
    within: Duration,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(destination), Type::STREAM, None)?;
    if let Some(source) = source {
        socket.bind(&source.into())?;
    }
    socket.connect_timeout(&destination.into(), within)?;
    Ok(socket.into())
}

/// Insists that `client` is connected to `listener`: whoever arrives there gets a token, and the client must have it.
pub(super) fn meet(listener: &TcpListener, client: &mut TcpStream) -> io::Result<()> {
    let (token, until) = (Token::new(), Instant::now() + ANSWERING);
    // The handshake is over, so that who is not there soon is elsewhere. Strangers may be there, too.
    let mut arrived = Vec::new();
    client.set_read_timeout(Some(Duration::from_millis(100)))?;
    while Instant::now() < until {
        while let Some(stream) = accept(listener)? {
            arrived.push(give(stream, &token)?);
        }
        match has(client, &token) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            other => return other,
        }
    }
    Err(io::Error::other("it went to somebody else"))
}

/// Waits a moment for a connection.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    let mut wait = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut wait, PollTimeout::from(20_u8))?;
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn give(mut stream: TcpStream, token: &Token) -> io::Result<TcpStream> {
    // So few bytes fit into any send buffer.
    match stream.write_all(token.bytes()) {
        // A stranger who is gone again.
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
            Ok(stream)
        }
        other => other.map(|()| stream),
    }
}

fn has(client: &mut TcpStream, token: &Token) -> io::Result<()> {
    let mut answer = [0; 16];
    client.read_exact(&mut answer)?;
    if answer == token.bytes() { Ok(()) } else { Err(io::Error::other("somebody else answered")) }
}
