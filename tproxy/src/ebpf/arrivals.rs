//! What is said of interfaces that traffic arrives by, and of the networks behind them.
//!
//! Pure. Keys, values and numbers are those of `tproxy/bpf/layout.h`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::contents::{Contents, Hex, Table};
use super::interface::{Interface, Link, meant};
use super::layout::{mapped, network_key};
use super::unsupported::Unsupported;
use crate::family::IpFamily;
use crate::plan::Plan;

/// `enum interface_flag`.
const EXCLUDED: u32 = 1 << 0;
const CAPTURED: u32 = 1 << 1;
const VNET: [u32; 2] = [1 << 2, 1 << 3];
const WITHOUT_HEADER: u32 = 1 << 4;
const BRIDGE: u32 = 1 << 5;
/// `enum network_kind`: the family's number, and these for networks behind an interface.
const OF_VNET: u32 = 0x200;
const NUMBER_AT: u32 = 16;

/// What is said of one interface: `struct interface`.
#[derive(Debug, Clone, Copy)]
struct Said {
    what: u32,
    number: u32,
    own: [IpAddr; 2],
}

impl Said {
    const NOTHING: Self = Self { what: 0, number: 0, own: [IpAddr::V6(Ipv6Addr::UNSPECIFIED); 2] };

    fn bytes(self) -> Vec<u8> {
        let numbers = [self.what, self.number].map(u32::to_ne_bytes).concat();
        [numbers, self.own.map(mapped).concat()].concat()
    }
}

/// Adds what `plan` says of `interfaces`.
///
/// # Errors
/// One that is named is not there, or has packets that cannot be read.
pub(super) fn insert(
    contents: &mut Contents,
    plan: &Plan,
    interfaces: &[Interface],
) -> Result<(), Unsupported> {
    let inbound = &plan.policy.inbound;
    let excluded = inbound.exclude_interfaces.iter();
    let excluded = excluded.map(|pattern| ("redirect.inbound.excludeInterfaces", pattern, EXCLUDED));
    let only = inbound.only_interface.iter().map(|pattern| ("ebpf.tcAttachIface", pattern, CAPTURED));
    let mut said: BTreeMap<u32, Said> = BTreeMap::new();
    for (key, pattern, what) in excluded.chain(only) {
        for interface in meant(key, pattern, interfaces)? {
            said.entry(interface.index).or_insert(Said::NOTHING).what |= what;
        }
    }
    for (number, (interface, networks)) in (1..).zip(behind(plan, interfaces)?.into_values()) {
        let said = said.entry(interface.index).or_insert(Said::NOTHING);
        said.number = number;
        said.what |= if interface.link == Link::Bare { WITHOUT_HEADER } else { 0 };
        said.what |= if interface.is_bridge { BRIDGE } else { 0 };
        for (family, (own, flag)) in IpFamily::ALL.into_iter().zip(said.own.iter_mut().zip(VNET)) {
            let is_there = networks.iter().any(|network| IpFamily::of(network.addr()) == family);
            if is_there && plan.policy.families.contains(&family) {
                // Without an address there, what is sent goes nowhere, as by rules.
                *own = interface.own(family).unwrap_or(*own);
                said.what |= flag;
            }
        }
        for network in networks {
            contents.insert(Table::Networks, network_key(network, number << NUMBER_AT | OF_VNET), vec![1]);
        }
    }
    for (index, said) in said {
        contents.insert(Table::Interfaces, key(index), said.bytes());
    }
    Ok(())
}

/// The interfaces that have networks behind them, by their numbers, each with all of these.
fn behind<'a>(
    plan: &Plan,
    interfaces: &'a [Interface],
) -> Result<BTreeMap<u32, (&'a Interface, BTreeSet<IpNet>)>, Unsupported> {
    let mut found: BTreeMap<u32, (&Interface, BTreeSet<IpNet>)> = BTreeMap::new();
    for vnet in &plan.policy.vnets {
        for interface in meant("redirect.vnet.networks", &vnet.interface, interfaces)? {
            // Nothing arrives there from elsewhere.
            if interface.name == plan.host.loopback {
                continue;
            }
            if interface.link == Link::Other {
                return Err(Unsupported::no_link(&interface.name));
            }
            let networks = &mut found.entry(interface.index).or_insert((interface, BTreeSet::new())).1;
            networks.extend(&vnet.networks);
        }
    }
    Ok(found)
}

/// The interfaces whose virtual networks are captured, by their numbers.
#[must_use]
pub fn with_guests(contents: &Contents) -> BTreeSet<u32> {
    entries(contents).filter(|entry| entry.what & (VNET[0] | VNET[1]) != 0).map(|entry| entry.index).collect()
}

/// The names of `interfaces` that lost the address which guests are led to, or have one now that had none.
pub(super) fn readdressed(contents: &Contents, interfaces: &[Interface]) -> Vec<String> {
    let is_other = |entry: &Entry<'_>, interface: &Interface| {
        let of = |(family, (flag, own)): (IpFamily, (u32, &[u8]))| {
            let mut now = interface.addresses.iter().filter(|address| IpFamily::of(**address) == family);
            let had_one = own != mapped(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
            let is_as_before =
                if had_one { now.any(|address| mapped(*address) == own) } else { now.next().is_none() };
            entry.what & flag != 0 && !is_as_before
        };
        IpFamily::ALL.into_iter().zip(VNET.into_iter().zip(entry.own)).any(of)
    };
    let there = entries(contents).filter_map(|entry| {
        let interface = interfaces.iter().find(|interface| interface.index == entry.index)?;
        is_other(&entry, interface).then(|| interface.name.clone())
    });
    there.collect()
}

/// `contents` without what they say of interfaces that are gone, and the numbers of these.
#[must_use]
pub fn without_gone(mut contents: Contents, interfaces: &[Interface]) -> (Contents, Vec<u32>) {
    let is_there = |index| interfaces.iter().any(|interface| interface.index == index);
    let gone: Vec<u32> =
        entries(&contents).map(|entry| entry.index).filter(|index| !is_there(*index)).collect();
    if let Some(entries) = contents.entries.get_mut(&Table::Interfaces) {
        entries.retain(|key, _| number(key.0.get(4..8)).is_none_or(is_there));
    }
    (contents, gone)
}

/// What lies in the map for one interface.
struct Entry<'a> {
    index: u32,
    what: u32,
    own: [&'a [u8]; 2],
}

fn entries(contents: &Contents) -> impl Iterator<Item = Entry<'_>> {
    let entries = contents.entries.get(&Table::Interfaces).into_iter().flatten();
    entries.filter_map(|(Hex(key), Hex(said))| {
        let own = [said.get(8..24)?, said.get(24..40)?];
        Some(Entry { index: number(key.get(4..8))?, what: number(said.get(..4))?, own })
    })
}

fn number(bytes: Option<&[u8]>) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes?.try_into().ok()?))
}

/// `struct interface_key`.
fn key(index: u32) -> Vec<u8> {
    [0, index].map(u32::to_ne_bytes).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ebpf::contents::Instance;

    #[test]
    fn keys_and_values_are_as_long_as_their_map_wants_them() {
        let (length, value) = Table::Interfaces.sizes();
        assert_eq!((key(1).len(), Said::NOTHING.bytes().len()), (length, value));
    }

    #[test]
    fn an_interface_that_is_gone_or_has_another_address_is_noticed() {
        let interface = |index, address: &str| Interface {
            index,
            name: format!("vm{index}"),
            link: Link::Ethernet,
            is_bridge: false,
            addresses: vec![address.parse().unwrap(), "fe80::1".parse().unwrap()],
        };
        let mut contents = Contents::of(Instance::default());
        for index in [1, 2, 3] {
            let own = [interface(index, "10.0.0.1").own(IpFamily::V4).unwrap(), Said::NOTHING.own[1]];
            contents.insert(
                Table::Interfaces,
                key(index),
                Said { what: VNET[0], number: index, own }.bytes(),
            );
        }
        // Another one beside it changes nothing.
        let mut first = interface(1, "10.0.0.7");
        first.addresses.push("10.0.0.1".parse().unwrap());
        let now = [first, interface(2, "10.0.0.9")];
        assert_eq!(readdressed(&contents, &now), ["vm2"]);
        let (rest, gone) = without_gone(contents, &now);
        assert_eq!((with_guests(&rest), gone), ([1, 2].into(), vec![3]));
    }
}
