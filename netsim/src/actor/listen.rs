//! Listening on a port at all addresses of both families, with a socket for each, and accepting without end.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::ActorError;
use super::port::{HELD, when_free};
use crate::topology::IpFamily;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on a port at `0.0.0.0` and, unless the kernel has no IPv6, at `[::]`.
pub(super) async fn listen(port: u16) -> Result<Vec<TcpListener>, ActorError> {
    let mut listeners = Vec::new();
    for family in IpFamily::ALL {
        match when_free(HELD, || listen_in(family, port)).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if family == IpFamily::V6 && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
            Err(source) => return Err(ActorError::Listen { port, family, source }),
        }
    }
    Ok(listeners)
}

fn listen_in(family: IpFamily, port: u16) -> io::Result<TcpListener> {
    let (domain, address) = match family {
        IpFamily::V4 => (Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        IpFamily::V6 => (Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
    };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if family == IpFamily::V6 {
        // Or it would take the IPv4 connections, too, under addresses like ::ffff:10.0.0.1.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until the actor ends, each handled by a task of its own.
pub(super) async fn accept<F, Fut>(listener: TcpListener, handle: F) -> Result<(), String>
where
    F: Fn(TcpStream, SocketAddr) -> Fut,
    Fut: Future<Output = ()> + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                spawn_local(handle(stream, source));
            }
            // The client gave up before it was accepted.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(format!("cannot accept connections: {error}")),
        }
    }
}
