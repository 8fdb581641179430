//! Interfaces of this host, and which of them a configuration means.
//!
//! Pure. Programs know interfaces by number: those that are there when they are installed.

use std::net::IpAddr;

use super::unsupported::Unsupported;
use crate::config::interface::InterfacePattern;

/// An interface that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its number in the kernel.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<IpAddr>,
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
            .map(|(index, name)| Interface { index, name: name.to_owned(), addresses: Vec::new() })
            .collect();
        let meant = |text: &str| meant("redirect.vnet.networks", &text.parse().unwrap(), &interfaces);
        let indexes = |text| meant(text).unwrap().iter().map(|found| found.index).collect::<Vec<_>>();
        assert_eq!(indexes("eth+"), [2, 3]);
        assert_eq!(indexes("eth1"), [3]);
        assert!(meant("br+").unwrap_err().to_string().contains("`br+`"));
    }
}
