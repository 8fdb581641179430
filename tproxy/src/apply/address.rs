//! Adds and removes addresses by netlink, synchronously.
//!
//! The socket acts in the network namespace of the thread that opens it. Must never touch links or routes.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::change::LoopbackAddress;

/// Adds an address; it must not be there yet.
pub(crate) fn add(address: &LoopbackAddress) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(message(address)?);
    request(message, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
}

/// Removes an address; one that is already gone is as wanted.
pub(super) fn remove(address: &LoopbackAddress) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelAddress(message(address)?);
    match request(message, NLM_F_REQUEST | NLM_F_ACK) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(()),
        other => other,
    }
}

fn message(address: &LoopbackAddress) -> io::Result<AddressMessage> {
    let mut message = AddressMessage::default();
    message.header.family =
        if address.address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.prefix_len = address.prefix;
    // Without this an IPv6 address is tentative for a moment, even on loopback, and a bind to it fails.
    message.header.flags = AddressHeaderFlags::Nodad;
    message.header.index = nix::net::if_::if_nametoindex(address.interface.as_str())?;
    message.attributes =
        vec![AddressAttribute::Local(address.address), AddressAttribute::Address(address.address)];
    Ok(message)
}

/// Sends a request, and waits for the kernel's word on it.
pub(crate) fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    // With NLM_F_ACK the kernel answers before send returns; exactly one answer comes.
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    match answer.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        _ => Ok(()),
    }
}
