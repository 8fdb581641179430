//! The interfaces of the calling thread's network namespace.
//!
//! Must never change one.

use nix::ifaddrs::getifaddrs;

use super::error::EbpfError;
use crate::ebpf::interface::Interface;

/// All of them, each with its addresses.
///
/// # Errors
/// The kernel does not list them.
pub fn interfaces() -> Result<Vec<Interface>, EbpfError> {
    let entries: Vec<_> = getifaddrs().map_err(EbpfError::Interfaces)?.collect();
    let mut found: Vec<Interface> = Vec::new();
    for entry in &entries {
        let Some(link) = entry.address.as_ref().and_then(|address| address.as_link_addr()) else { continue };
        let index = u32::try_from(link.ifindex()).unwrap_or_default();
        found.push(Interface { index, name: entry.interface_name.clone(), addresses: Vec::new() });
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
