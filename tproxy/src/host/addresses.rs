//! The addresses of the calling thread's network namespace, and the name of its loopback.

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress as Entry, getifaddrs};
use nix::net::if_::InterfaceFlags;

use super::{HostError, InterfaceAddress};

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

/// Whether `interface` has `address` now.
///
/// # Errors
/// The addresses cannot be listed.
pub fn has_address(interface: &str, address: IpAddr) -> Result<bool, HostError> {
    let entries = getifaddrs().map_err(HostError::Addresses)?;
    Ok(entries.into_iter().any(|entry| entry.interface_name == interface && ip(&entry) == Some(address)))
}

fn ip(entry: &Entry) -> Option<IpAddr> {
    let address = entry.address.as_ref()?;
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}
