//! What the kernel, or a file name, would refuse of a topology later on: told before anything is up.
//!
//! Pure, as everything here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::{End, Link, TopologyError};

/// Bytes in a packet of a veth pair: ETH_MIN_MTU (include/uapi/linux/if_ether.h) and ETH_MAX_MTU.
const MTU: RangeInclusive<u32> = 68..=65_535;
/// IFNAMSIZ without the zero at the end (include/uapi/linux/if.h).
const LONGEST_INTERFACE: usize = 15;
/// Names of files and cgroups are made from it.
const LONGEST_NODE: usize = 64;

/// A node's name, which is in the names of files.
pub(super) fn check_node(name: &str) -> Result<(), TopologyError> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = (1..=LONGEST_NODE).contains(&name.len());
    if fits && name.chars().all(is_plain) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(TopologyError::NodeName { name: name.to_owned(), longest: LONGEST_NODE })
}

/// An interface's name, as `dev_valid_name` (net/core/dev.c) judges it; `lo` is there already.
pub(super) fn check_interface(end: &End) -> Result<(), TopologyError> {
    let name = end.interface.as_str();
    let fits = (1..=LONGEST_INTERFACE).contains(&name.len());
    let is_strange = |c: char| c.is_whitespace() || matches!(c, '/' | ':' | '"' | '%');
    if fits && !matches!(name, "." | ".." | "lo") && !name.contains(is_strange) {
        return Ok(());
    }
    let (node, interface) = (end.node.clone(), end.interface.clone());
    Err(TopologyError::InterfaceName { node, interface, longest: LONGEST_INTERFACE })
}

/// A link's MTU.
pub(super) fn check_mtu(link: &Link) -> Result<(), TopologyError> {
    match link.mtu.filter(|mtu| !MTU.contains(mtu)) {
        None => Ok(()),
        Some(mtu) => Err(TopologyError::Mtu { mtu, least: *MTU.start(), most: *MTU.end() }),
    }
}

/// Each address belongs to one interface: names are found by addresses again.
pub(super) fn check_addresses<'a>(ends: impl Iterator<Item = &'a End>) -> Result<(), TopologyError> {
    let mut owners: BTreeMap<IpAddr, &End> = BTreeMap::new();
    for end in ends {
        for address in end.addresses.iter().map(ipnet::IpNet::addr) {
            if let Some(first) = owners.insert(address, end) {
                let place = |end: &End| format!("{} {}", end.node, end.interface);
                return Err(TopologyError::DuplicateAddress { address, places: [place(first), place(end)] });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    fn end(node: &str, interface: &str, address: &str) -> End {
        End {
            node: node.to_owned(),
            interface: interface.to_owned(),
            addresses: vec![address.parse().unwrap()],
            routes: Vec::new(),
        }
    }

    fn refused(ends: [End; 2], mtu: Option<u32>) -> String {
        let nodes = vec!["pod".to_owned(), "web".to_owned()];
        Topology::new("tried", nodes, vec![Link { ends, mtu, rate: None }]).unwrap_err().to_string()
    }

    #[test]
    fn what_the_kernel_refuses_is_told_before() {
        let web = || end("web", "eth0", "10.0.0.2/24");
        for (interface, mtu, said) in [
            ("eth0", Some(0), "an MTU is from 68 to 65535, not 0"),
            ("eth0", Some(65_536), "an MTU is from 68 to 65535, not 65536"),
            ("sixteen-letters0", None, "pod: \"sixteen-letters0\" is no name for an interface"),
            ("lo", None, "pod: \"lo\" is no name for an interface"),
            ("a/b", None, "pod: \"a/b\" is no name for an interface"),
            ("", None, "pod: \"\" is no name for an interface"),
        ] {
            let told = refused([end("pod", interface, "10.0.0.1/24"), web()], mtu);
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn an_address_has_one_place() {
        let told = refused([end("pod", "eth0", "10.0.0.2/24"), end("web", "eth0", "10.0.0.2/16")], None);
        assert_eq!(told, "10.0.0.2 is an address of \"pod eth0\" and of \"web eth0\": each has one place");
    }

    #[test]
    fn nodes_have_names_that_files_can_have() {
        for name in ["", "../pod", "a b", ".hidden", &"n".repeat(65)] {
            assert!(check_node(name).is_err(), "{name:?}");
        }
        assert!(check_node("web-1.example").is_ok());
    }
}
