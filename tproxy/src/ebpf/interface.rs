//! Interfaces of this host, and which of them a configuration means.
//!
//! Pure. Programs know interfaces by number: those that are there when they are installed.

use std::net::IpAddr;

use super::unsupported::Unsupported;
use crate::config::interface::InterfacePattern;
use crate::family::IpFamily;

/// An interface that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its number in the kernel.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What its packets begin with.
    pub link: Link,
    /// Whether it is a bridge.
    pub is_bridge: bool,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<IpAddr>,
}

/// What packets of an interface begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A header of Ethernet.
    Ethernet,
    /// The packet itself.
    Bare,
    /// Something else.
    Other,
}

impl Interface {
    /// The address that what is led to this host is sent to: of IPv6 one that means something beyond the link, if any does.
    #[must_use]
    pub fn own(&self, family: IpFamily) -> Option<IpAddr> {
        let is_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut own = self.addresses.iter().filter(|address| IpFamily::of(**address) == family);
        own.clone().find(|address| !is_local(address)).or_else(|| own.next()).copied()
    }
}

/// The interfaces that `pattern`, of the setting `key`, stands for.
///
/// # Errors
/// There is none.
pub(super) fn meant<'a>(
    key: &'static str,
    pattern: &InterfacePattern,
    interfaces: &'a [Interface],
) -> Result<Vec<&'a Interface>, Unsupported> {
    let found: Vec<&Interface> =
        interfaces.iter().filter(|interface| pattern.matches(&interface.name)).collect();
    if found.is_empty() { Err(Unsupported::no_interface(key, pattern)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_those_that_are_there_and_at_least_one() {
        let names = ["lo", "eth0", "eth1"];
        let interfaces: Vec<Interface> = (1..)
            .zip(names)
            .map(|(index, name)| Interface {
                index,
                name: name.to_owned(),
                link: Link::Ethernet,
                is_bridge: false,
                addresses: Vec::new(),
            })
            .collect();
        let meant = |text: &str| meant("redirect.vnet.networks", &text.parse().unwrap(), &interfaces);
        let indexes = |text| meant(text).unwrap().iter().map(|found| found.index).collect::<Vec<_>>();
        assert_eq!(indexes("eth+"), [2, 3]);
        assert_eq!(indexes("eth1"), [3]);
        assert!(meant("br+").unwrap_err().to_string().contains("`br+`"));
    }
}
