//! The interfaces of the calling thread's network namespace.
//!
//! Must never change one.

use std::collections::BTreeSet;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;

use super::error::EbpfError;
use crate::ebpf::interface::{Interface, Link};
use crate::netlink;

/// All of them, each with its addresses.
///
/// # Errors
/// The kernel does not list them.
pub fn interfaces() -> Result<Vec<Interface>, EbpfError> {
    let entries: Vec<_> = getifaddrs().map_err(EbpfError::Interfaces)?.collect();
    let bridges = bridges()?;
    let mut found: Vec<Interface> = Vec::new();
    for entry in &entries {
        let Some(link) = entry.address.as_ref().and_then(|address| address.as_link_addr()) else { continue };
        let index = u32::try_from(link.ifindex()).unwrap_or_default();
        found.push(Interface {
            index,
            name: entry.interface_name.clone(),
            link: kind(link.hatype()),
            is_bridge: bridges.contains(&index),
            addresses: Vec::new(),
        });
    }
    for entry in &entries {
        let Some(address) = entry.address.as_ref() else { continue };
        let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
        let Some(address) = v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
        else {
            continue;
        };
        // An address may have a label of its own, behind a colon.
        let name = entry.interface_name.split(':').next().unwrap_or_default();
        if let Some(interface) = found.iter_mut().find(|interface| interface.name == name) {
            interface.addresses.push(address);
        }
    }
    Ok(found)
}

/// The numbers of those that are bridges.
fn bridges() -> Result<BTreeSet<u32>, EbpfError> {
    let mut found = BTreeSet::new();
    let all = RouteNetlinkMessage::GetLink(LinkMessage::default());
    netlink::list(NETLINK_ROUTE, all, |answer| {
        let RouteNetlinkMessage::NewLink(link) = answer else { return };
        let is_bridge = |attribute: &LinkAttribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::Bridge)),
            _ => false,
        };
        if link.attributes.iter().any(is_bridge) {
            found.insert(link.header.index);
        }
    })
    .map_err(|error| EbpfError::Interfaces(Errno::from_raw(error.raw_os_error().unwrap_or_default())))?;
    Ok(found)
}

/// By the number of the hardware (`ARPHRD_*` of linux/if_arp.h).
fn kind(hardware: u16) -> Link {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Link::Ethernet,
        // Devices of the IP layer, as tun and WireGuard are.
        libc::ARPHRD_NONE
        | libc::ARPHRD_PPP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE => Link::Bare,
        _ => Link::Other,
    }
}
