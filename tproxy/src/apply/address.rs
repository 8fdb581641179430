//! Adds and removes addresses by netlink, synchronously.
//!
//! The socket acts in the network namespace of the thread that opens it. Must never touch links or routes.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::change::LoopbackAddress;
use crate::host::ADDRESS_PROTOCOL;
use crate::netlink;

/// Adds an address; it must not be there yet.
pub(crate) fn add(address: &LoopbackAddress) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(message(address)?);
    request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
}

/// Removes an address; one that is already gone is as wanted.
pub(super) fn remove(address: &LoopbackAddress) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelAddress(message(address)?);
    match request(message, NLM_F_ACK) {
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
    message.attributes = vec![
        AddressAttribute::Local(address.address),
        AddressAttribute::Address(address.address),
        // Kernels before 5.18 pass it over.
        AddressAttribute::Protocol(AddressProtocol::Other(ADDRESS_PROTOCOL)),
    ];
    Ok(message)
}

fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    netlink::ask(NETLINK_ROUTE, message, flags, |_| ())
}
