//! Datagrams: a server that answers each with who it is and what it saw, and a client that sends one and waits.
//!
//! Must never answer from another address than the one that was called, nor send a datagram twice.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike, recvmsg, sendmsg,
    setsockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::attempt::{Attempt, WORDS};
use super::client::of_error;
use super::port::{HELD, bind_from, when_free};
use super::{ActorError, Answer, Handled, Log, Outcome, Seen};
use crate::topology::IpFamily;

/// The largest datagram that is read.
const LARGEST: usize = 4096;

/// Sockets at all addresses of both families, those of a family that the kernel has not left out.
pub(super) async fn bind(port: u16) -> Result<Vec<UdpSocket>, ActorError> {
    let mut sockets = Vec::new();
    for family in IpFamily::ALL {
        match when_free(HELD, || bind_in(family, port)).await {
            Ok(socket) => sockets.push(socket),
            Err(error) if family == IpFamily::V6 && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
            Err(source) => return Err(ActorError::Listen { port, family, source }),
        }
    }
    Ok(sockets)
}

fn bind_in(family: IpFamily, port: u16) -> io::Result<UdpSocket> {
    let (domain, address): (_, SocketAddr) = match family {
        IpFamily::V4 => (Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into()),
        IpFamily::V6 => (Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // Which address was called is told with each datagram.
    match family {
        IpFamily::V4 => setsockopt(&socket, Ipv4PacketInfo, &true)?,
        IpFamily::V6 => {
            socket.set_only_v6(true)?;
            setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
        }
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// Answers until the actor ends.
pub(super) async fn serve(socket: UdpSocket, name: String, log: Log) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot receive datagrams: {error}");
    let port = socket.local_addr().map_err(failed)?.port();
    loop {
        let received = socket.async_io(Interest::READABLE, || receive(&socket)).await;
        let (source, called) = match received {
            Ok(Some(received)) => received,
            Ok(None) => continue,
            // Whoever called is gone: the kernel says so at the next call.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(failed(error)),
        };
        let local = SocketAddr::new(called, port);
        let answer = Answer { actor: name.clone(), local, client: source, original_destination: None };
        let (actor, handled) = (name.clone(), Handled::Answered);
        log.push(Seen { actor, local, source, original_destination: None, handled });
        let Ok(text) = serde_json::to_vec(&answer) else { continue };
        // The client may be gone already: then there is nobody to tell.
        let _ = socket.async_io(Interest::WRITABLE, || send(&socket, &text, called, source)).await;
    }
}

/// Who sent a datagram, and to which address.
fn receive(socket: &UdpSocket) -> io::Result<Option<(SocketAddr, IpAddr)>> {
    let mut buffer = [0; LARGEST];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let descriptor = socket.as_raw_fd();
    let is_ipv4 = socket.local_addr()?.is_ipv4();
    let called = |message: ControlMessageOwned| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    };
    if is_ipv4 {
        let message =
            recvmsg::<SockaddrIn>(descriptor, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let source = message.address.map(|address| SocketAddr::from((address.ip(), address.port())));
        Ok(source.zip(message.cmsgs()?.find_map(called)))
    } else {
        let message =
            recvmsg::<SockaddrIn6>(descriptor, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
        let source = message.address.map(|address| SocketAddr::from((address.ip(), address.port())));
        Ok(source.zip(message.cmsgs()?.find_map(called)))
    }
}

/// Sends from the address that was called.
fn send(socket: &UdpSocket, text: &[u8], from: IpAddr, to: SocketAddr) -> io::Result<usize> {
    fn with<A: SockaddrLike>(
        socket: &UdpSocket,
        text: &[u8],
        control: &ControlMessage<'_>,
        to: &A,
    ) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT;
        Ok(sendmsg(
            socket.as_raw_fd(),
            &[IoSlice::new(text)],
            std::slice::from_ref(control),
            flags,
            Some(to),
        )?)
    }
    match (from, to) {
        (IpAddr::V4(from), SocketAddr::V4(to)) => {
            let source = libc::in_addr { s_addr: u32::from(from).to_be() };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: source };
            with(socket, text, &ControlMessage::Ipv4PacketInfo(&info), &SockaddrIn::from(to))
        }
        (IpAddr::V6(from), SocketAddr::V6(to)) => {
            let source = libc::in6_addr { s6_addr: from.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 };
            with(socket, text, &ControlMessage::Ipv6PacketInfo(&info), &SockaddrIn6::from(to))
        }
        _ => Err(ErrorKind::AddrNotAvailable.into()),
    }
}

/// Sends a datagram and says who answered.
pub(super) async fn exchange(attempt: Attempt) -> Result<Outcome, ActorError> {
    let any: IpAddr =
        if attempt.to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let address = attempt.from.unwrap_or(any);
    let bound = bind_from((address, 0).into(), attempt.port);
    let socket = bound.map_err(|source| ActorError::Source { address, source })?;
    Ok(match timeout(attempt.within, converse(&socket, attempt.to)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => of_error(&error),
        Err(_) => Outcome::TimedOut,
    })
}

async fn converse(socket: &UdpSocket, to: SocketAddr) -> io::Result<Outcome> {
    socket.connect(to).await?;
    let (local, peer_name) = (socket.local_addr()?, socket.peer_addr()?);
    socket.send(WORDS).await?;
    let mut reply = vec![0; LARGEST];
    let length = socket.recv(&mut reply).await?;
    let text = reply.get(..length).unwrap_or_default();
    Ok(match serde_json::from_slice(text) {
        Ok(answer) => Outcome::Answered { answer, peer_name, local, echoed: true },
        Err(_) => Outcome::Unintelligible(String::from_utf8_lossy(text).into_owned()),
    })
}
