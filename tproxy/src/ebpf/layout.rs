//! From a plan to what lies in the maps.
//!
//! Pure. Keys, values, flags and numbers are those of `tproxy/bpf/layout.h`. Must never drop a part of the plan: what the
//! programs cannot do was refused before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::contents::{Contents, Instance, Table};
use super::ids::Ids;
use super::interface::Interface;
use super::unsupported::{self, Unsupported, by_interface};
use super::users::{Passing, Users, prefixes, users};
use super::{arrivals, ports};
use crate::config::ports::{Port, Ports};
use crate::family::IpFamily;
use crate::plan::Plan;

/// Counted up with each change of the maps' layout, or of the place of filters: it is a part of the name of the pin directory.
pub(super) const LAYOUT: u32 = 4;

const OUTBOUND_PORTS: u16 = 0;
const INBOUND_PORTS: u16 = 1;
const FIRST_OF_USERS: u16 = 2;
const NO_PORT: u16 = 0xfffe;
const EVERY_PORT: u16 = 0xffff;

/// `enum address_kind`.
const OWN: u32 = 0;
const NAME_SERVER: u32 = 1;
/// `enum network_kind`: the family's number, and this for sources.
const SOURCE: u32 = 0x100;

/// `enum flag`.
mod flag {
    pub(super) const CAPTURES: [u32; 2] = [1 << 0, 1 << 1];
    pub(super) const OUTBOUND_ON: u32 = 1 << 2;
    pub(super) const INBOUND_ON: u32 = 1 << 3;
    pub(super) const DNS: [u32; 2] = [1 << 4, 1 << 5];
    pub(super) const DNS_OF_ANY_SERVER: u32 = 1 << 6;
    pub(super) const OUTBOUND_INCLUDES: u32 = 1 << 7;
    pub(super) const INBOUND_INCLUDES: u32 = 1 << 8;
    pub(super) const HAS_OUTBOUND_PORTS: u32 = 1 << 9;
    pub(super) const HAS_INBOUND_PORTS: u32 = 1 << 10;
    pub(super) const HAS_USERS: u32 = 1 << 11;
    pub(super) const HAS_GROUPS: u32 = 1 << 12;
    pub(super) const HAS_NETWORKS: u32 = 1 << 13;
    pub(super) const HAS_SOURCES: u32 = 1 << 14;
    pub(super) const HAS_INTERFACES: u32 = 1 << 15;
    pub(super) const ONLY_BY_INTERFACE: u32 = 1 << 16;
    pub(super) const HAS_VNETS: u32 = 1 << 17;
}

/// What an instance's flags are called, and their bits.
pub const FLAGS: [(&str, u32); 18] = [
    ("captures-ipv4", flag::CAPTURES[0]),
    ("captures-ipv6", flag::CAPTURES[1]),
    ("outbound-on", flag::OUTBOUND_ON),
    ("inbound-on", flag::INBOUND_ON),
    ("dns-of-ipv4", flag::DNS[0]),
    ("dns-of-ipv6", flag::DNS[1]),
    ("dns-of-any-server", flag::DNS_OF_ANY_SERVER),
    ("outbound-includes", flag::OUTBOUND_INCLUDES),
    ("inbound-includes", flag::INBOUND_INCLUDES),
    ("has-outbound-ports", flag::HAS_OUTBOUND_PORTS),
    ("has-inbound-ports", flag::HAS_INBOUND_PORTS),
    ("has-users", flag::HAS_USERS),
    ("has-groups", flag::HAS_GROUPS),
    ("has-networks", flag::HAS_NETWORKS),
    ("has-sources", flag::HAS_SOURCES),
    ("has-interfaces", flag::HAS_INTERFACES),
    ("only-by-interface", flag::ONLY_BY_INTERFACE),
    ("has-vnets", flag::HAS_VNETS),
];

/// What `plan` means on a host that speaks to networks from the addresses of `routes`, and has these `interfaces`, and where its
/// ids are `ids`.
///
/// # Errors
/// It has more different sets of ports than can be numbered, or names an interface that is not there, or an id that is none.
pub fn contents(
    plan: &Plan,
    ids: &Ids,
    routes: &[(IpNet, IpAddr)],
    interfaces: &[Interface],
) -> Result<Contents, Unsupported> {
    let policy = &ids.to_kernel(&plan.policy)?;
    let number = |port: Option<Port>| port.map_or(0, Port::get);
    let mut contents = Contents::of(Instance {
        digest: plan.digest(),
        flags: flags(plan),
        sidecar: policy.sidecar_uid,
        inbound: number(policy.inbound.port),
        outbound: policy.outbound.port.get(),
        dns: number(policy.dns.as_ref().map(|dns| dns.port)),
    });
    for (set, included, excluded) in [
        (OUTBOUND_PORTS, &policy.outbound.include_ports, &policy.outbound.exclude_ports),
        (INBOUND_PORTS, &policy.inbound.include_ports, &policy.inbound.exclude_ports),
    ] {
        insert_ports(&mut contents, set, if included.is_empty() { excluded } else { included });
    }
    insert_users(&mut contents, &users(&policy.outbound.exclusions))?;
    let groups = policy.outbound.exclusions.iter().filter_map(|exclusion| exclusion.gids);
    for (first, length) in groups.flat_map(prefixes) {
        contents.insert(Table::Groups, id_key(first, length), vec![1]);
    }
    for network in policy.outbound.exclusions.iter().filter_map(|exclusion| exclusion.network) {
        contents.insert(Table::Networks, network_key(network, 0), vec![1]);
    }
    for network in &policy.inbound.exclude_sources {
        contents.insert(Table::Networks, network_key(*network, SOURCE), vec![1]);
    }
    for address in &plan.host.addresses {
        contents.insert(Table::Addresses, address_key(*address, OWN), vec![1]);
    }
    for server in policy.dns.iter().filter_map(|dns| dns.servers.as_ref()).flatten() {
        contents.insert(Table::Addresses, address_key(*server, NAME_SERVER), vec![1]);
    }
    for (network, source) in distinct(routes) {
        contents.insert(Table::Sources, network_key(network, 0), mapped(source).to_vec());
    }
    arrivals::insert(&mut contents, plan, interfaces)?;
    Ok(contents)
}

/// `routes` without those that say what a wider network says: the fewer there are, the sooner one is found.
fn distinct(routes: &[(IpNet, IpAddr)]) -> Vec<(IpNet, IpAddr)> {
    let mut sorted = routes.to_vec();
    // Each behind those that hold it.
    sorted.sort_by_key(|(network, _)| (network.network(), network.prefix_len()));
    let (mut kept, mut around) = (Vec::new(), Vec::<(IpNet, IpAddr)>::new());
    for (network, source) in sorted {
        while around.last().is_some_and(|(wider, _)| !wider.contains(&network)) {
            around.pop();
        }
        if around.last().is_none_or(|(_, same)| *same != source) {
            around.push((network, source));
            kept.push((network, source));
        }
    }
    kept
}

fn flags(plan: &Plan) -> u32 {
    let policy = &plan.policy;
    let (inbound, outbound) = (&policy.inbound, &policy.outbound);
    let exclusions = &outbound.exclusions;
    let mut flags = 0;
    for (family, [captures, dns]) in
        IpFamily::ALL.into_iter().zip(flag::CAPTURES.into_iter().zip(flag::DNS).map(|(a, b)| [a, b]))
    {
        if policy.families.contains(&family) {
            flags |= captures;
        }
        if policy.dns_of(family).is_some() {
            flags |= dns;
        }
    }
    let has_ports = |direction: [&Ports; 2]| direction.iter().any(|ports| !ports.is_empty());
    for (holds, flag) in [
        (outbound.enabled, flag::OUTBOUND_ON),
        (inbound.enabled && inbound.port.is_some(), flag::INBOUND_ON),
        (policy.dns.as_ref().is_some_and(|dns| dns.servers.is_none()), flag::DNS_OF_ANY_SERVER),
        (!outbound.include_ports.is_empty(), flag::OUTBOUND_INCLUDES),
        (!inbound.include_ports.is_empty(), flag::INBOUND_INCLUDES),
        (has_ports([&outbound.include_ports, &outbound.exclude_ports]), flag::HAS_OUTBOUND_PORTS),
        (has_ports([&inbound.include_ports, &inbound.exclude_ports]), flag::HAS_INBOUND_PORTS),
        (exclusions.iter().any(|one| one.uids.is_some()), flag::HAS_USERS),
        (exclusions.iter().any(|one| one.gids.is_some()), flag::HAS_GROUPS),
        (exclusions.iter().any(|one| one.network.is_some()), flag::HAS_NETWORKS),
        (!inbound.exclude_sources.is_empty(), flag::HAS_SOURCES),
        (by_interface(plan).is_some(), flag::HAS_INTERFACES),
        (inbound.only_interface.is_some(), flag::ONLY_BY_INTERFACE),
        (!policy.vnets.is_empty(), flag::HAS_VNETS),
    ] {
        if holds {
            flags |= flag;
        }
    }
    flags
}

fn insert_ports(contents: &mut Contents, set: u16, list: &Ports) {
    for (block, bits) in ports::blocks(list) {
        let key = [&0_u32.to_ne_bytes()[..], &set.to_ne_bytes(), &block.to_ne_bytes()].concat();
        contents.insert(Table::Ports, key, bits.to_vec());
    }
}

/// Equal sets of ports are one.
fn insert_users(contents: &mut Contents, all: &[Users]) -> Result<(), Unsupported> {
    let mut numbers: BTreeMap<String, u16> = BTreeMap::new();
    let mut number = |contents: &mut Contents, passing: &Passing| match passing {
        Passing::Nothing => Ok(NO_PORT),
        Passing::Everything => Ok(EVERY_PORT),
        Passing::Ports(ports) => {
            let name = ports.to_string();
            if let Some(known) = numbers.get(&name) {
                return Ok(*known);
            }
            let next = u16::try_from(numbers.len()).ok().and_then(|count| count.checked_add(FIRST_OF_USERS));
            let next = next.filter(|next| *next < NO_PORT).ok_or_else(unsupported::too_many_sets)?;
            insert_ports(contents, next, ports);
            numbers.insert(name, next);
            Ok(next)
        }
    };
    for Users { ids, tcp, udp } in all {
        let sets = [number(contents, tcp)?, number(contents, udp)?];
        let value = sets.map(u16::to_ne_bytes).concat();
        for (first, length) in prefixes(*ids) {
            contents.insert(Table::Users, id_key(first, length), value.clone());
        }
    }
    Ok(())
}

/// `struct id_key`. The prefix begins with the generation.
fn id_key(first: u32, length: u32) -> Vec<u8> {
    [(32 + length).to_ne_bytes(), 0_u32.to_ne_bytes(), first.to_be_bytes()].concat()
}

/// `struct network_key`. The prefix begins with generation and kind.
pub(super) fn network_key(network: IpNet, of: u32) -> Vec<u8> {
    let network = network.trunc();
    let (kind, mut bytes) = match network.addr() {
        IpAddr::V4(address) => (4, address.octets().to_vec()),
        IpAddr::V6(address) => (6, address.octets().to_vec()),
    };
    bytes.resize(16, 0);
    let length = 64 + u32::from(network.prefix_len());
    let head = [length, 0, of + kind].map(u32::to_ne_bytes).concat();
    [head, bytes].concat()
}

/// `struct address_key`.
fn address_key(address: IpAddr, kind: u32) -> Vec<u8> {
    [&[0, kind].map(u32::to_ne_bytes).concat()[..], &mapped(address)].concat()
}

/// `struct address`.
pub(super) fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_networks_with_one_source_the_widest_says_it_for_all() {
        let routes = |texts: &[(&str, &str)]| -> Vec<(IpNet, IpAddr)> {
            texts
                .iter()
                .map(|(network, source)| (network.parse().unwrap(), source.parse().unwrap()))
                .collect()
        };
        let all = routes(&[
            ("10.0.0.0/24", "10.0.0.1"),
            ("0.0.0.0/0", "10.0.0.1"),
            ("10.9.0.0/16", "10.9.0.1"),
            ("10.9.1.0/24", "10.9.0.1"),
            ("10.9.2.0/24", "10.0.0.1"),
            ("192.168.0.0/16", "10.0.0.1"),
            ("::/0", "fd00::1"),
            ("fd00::/64", "fd00::1"),
        ]);
        let expected = routes(&[
            ("0.0.0.0/0", "10.0.0.1"),
            ("10.9.0.0/16", "10.9.0.1"),
            ("10.9.2.0/24", "10.0.0.1"),
            ("::/0", "fd00::1"),
        ]);
        assert_eq!(distinct(&all), expected);
    }

    #[test]
    fn an_ipv4_network_is_no_part_of_an_ipv6_one() {
        let key = |text: &str| network_key(text.parse().unwrap(), 0);
        assert_ne!(key("0.0.0.0/0")[8..12], key("::/0")[8..12]);
        assert_eq!(key("::/0")[..4], 64_u32.to_ne_bytes());
        assert_eq!(key("10.1.2.3/8")[12..16], [10, 0, 0, 0]);
    }

    #[test]
    fn keys_and_values_are_as_long_as_their_map_wants_them() {
        for (table, key) in [
            (Table::Users, id_key(1, 32)),
            (Table::Groups, id_key(1, 32)),
            (Table::Networks, network_key("::/0".parse().unwrap(), SOURCE)),
            (Table::Addresses, address_key("::1".parse().unwrap(), NAME_SERVER)),
            (Table::Sources, network_key("0.0.0.0/0".parse().unwrap(), 0)),
        ] {
            assert_eq!(key.len(), table.sizes().0, "{table:?}");
        }
    }
}
