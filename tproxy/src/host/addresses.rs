//! The addresses of the calling thread's network namespace, and the name of its loopback.

use std::net::IpAddr;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::ifaddrs::{InterfaceAddress as Entry, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::{HostError, InterfaceAddress};
use crate::iptables::render::AddressMark;
use crate::netlink;

/// The loopback's name, and all addresses.
pub(super) fn list() -> Result<(String, Vec<InterfaceAddress>), HostError> {
    let entries: Vec<Entry> = getifaddrs().map_err(HostError::Addresses)?.collect();
    let loopback = entries
        .iter()
        .find(|entry| entry.flags.contains(InterfaceFlags::IFF_LOOPBACK))
        .map(|entry| entry.interface_name.clone())
        .ok_or(HostError::NoLoopback)?;
    let addresses = entries
        .into_iter()
        .filter_map(|entry| {
            let address = ip(&entry)?;
            Some(InterfaceAddress { interface: entry.interface_name, address })
        })
        .collect();
    Ok((loopback, addresses))
}

/// What the kernel keeps with an address that tproxy added (IFA_PROTO, Linux 5.18). Up to 3 is the kernel's own
/// (linux/if_addr.h); iproute2's rt_addrprotos names none beyond.
pub const ADDRESS_PROTOCOL: u8 = 116;

/// Who added `address` to `interface`, as far as the kernel knows; `None` when it is not there.
///
/// # Errors
/// The addresses cannot be listed.
pub fn mark_of(interface: &str, address: IpAddr) -> Result<Option<AddressMark>, HostError> {
    let index = if_nametoindex(interface).map_err(HostError::Addresses)?;
    let mut mark = None;
    let look = |message| {
        if let RouteNetlinkMessage::NewAddress(message) = message
            && message.header.index == index
            && message.attributes.contains(&AddressAttribute::Address(address))
        {
            mark = Some(mark_in(&message.attributes));
        }
    };
    let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    netlink::ask(NETLINK_ROUTE, all, NLM_F_DUMP, look)
        .map_err(|error| HostError::Addresses(Errno::from_raw(error.raw_os_error().unwrap_or_default())))?;
    Ok(mark)
}

fn mark_in(attributes: &[AddressAttribute]) -> AddressMark {
    let protocol = attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Protocol(protocol) => Some(u8::from(*protocol)),
        _ => None,
    });
    match protocol {
        None | Some(0) => AddressMark::None,
        Some(ADDRESS_PROTOCOL) => AddressMark::Ours,
        Some(_) => AddressMark::Other,
    }
}

fn ip(entry: &Entry) -> Option<IpAddr> {
    let address = entry.address.as_ref()?;
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}
