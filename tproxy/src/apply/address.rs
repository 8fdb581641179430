//! Adds and removes addresses by netlink, synchronously.
//!
//! The socket acts in the network namespace of the thread that opens it. Must never touch links or routes.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;

use super::change::LoopbackAddress;
use crate::host::ADDRESS_PROTOCOL;
use crate::netlink::{self, Announcements};

/// Adds an address; it must not be there yet.
pub(crate) fn add(address: &LoopbackAddress) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(message(address)?);
    request(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
}

/// How long the kernel may take to have the way to an address: what makes it waits for whatever else changes networks on
/// this machine.
const ON_THE_WAY: Duration = Duration::from_secs(5);
/// Routes of IPv6 (RTMGRP_IPV6_ROUTE of linux/rtnetlink.h).
const IPV6_ROUTES: u32 = 0x400;

/// Adds an address of loopback and waits until packets find the way to it: the kernel adds that route of IPv6 by itself,
/// a moment later.
pub(super) fn add_and_wait(address: &LoopbackAddress) -> io::Result<()> {
    let routes = Announcements::to(NETLINK_ROUTE, IPV6_ROUTES)?;
    add(address)?;
    // Where loopback is down no route comes.
    if is_up(&address.interface)? {
        routes.wait_for(ON_THE_WAY, |message| leads_to(message, address));
    }
    Ok(())
}

fn is_up(interface: &str) -> io::Result<bool> {
    let up = |entry: &InterfaceAddress| {
        entry.interface_name == interface && entry.flags.contains(InterfaceFlags::IFF_UP)
    };
    Ok(getifaddrs()?.any(|entry| up(&entry)))
}

/// The route of the address itself. That of its prefix comes first, and refuses.
fn leads_to(message: &RouteNetlinkMessage, address: &LoopbackAddress) -> bool {
    let RouteNetlinkMessage::NewRoute(route) = message else { return false };
    route.header.kind == RouteType::Local
        && route.header.destination_prefix_length == address.prefix
        && route.attributes.iter().any(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet6(to)) => IpAddr::V6(*to) == address.address,
            _ => false,
        })
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
