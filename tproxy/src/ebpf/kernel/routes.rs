//! From which address this host speaks to which network, by its main routing table.
//!
//! Must never change a route.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::error::EbpfError;
use crate::family::IpFamily;
use crate::netlink;

/// So many routes are looked at: asking for each takes time.
const MOST: usize = 4096;

/// The networks of the main table, each with the address that the kernel would choose.
pub(super) fn sources() -> Result<Vec<(IpNet, IpAddr)>, EbpfError> {
    let mut found = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut routes = Vec::new();
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        let all = RouteNetlinkMessage::GetRoute(question);
        netlink::ask(NETLINK_ROUTE, all, NLM_F_DUMP, |answer| {
            if let RouteNetlinkMessage::NewRoute(route) = answer
                && is_main(&route)
                && routes.len() < MOST
            {
                routes.push(route);
            }
        })
        .map_err(EbpfError::Routes)?;
        found.extend(routes.iter().filter_map(|route| {
            let network = network(route).filter(|network| network.addr() != IpFamily::V6.passthrough())?;
            Some((network, preferred(route).or_else(|| asked(example(network)).ok().flatten())?))
        }));
    }
    found.sort();
    found.dedup_by_key(|(network, _)| *network);
    Ok(found)
}

fn is_main(route: &RouteMessage) -> bool {
    let table = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    route.header.kind == RouteType::Unicast
        && table.unwrap_or(route.header.table.into()) == u32::from(RouteHeader::RT_TABLE_MAIN)
}

fn network(route: &RouteMessage) -> Option<IpNet> {
    let destination = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    let any = match route.header.address_family {
        AddressFamily::Inet => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let network = IpNet::new(destination.unwrap_or(any), route.header.destination_prefix_length).ok()?;
    // Addresses that mean nothing beyond a link are called with their interface.
    let is_link_local = matches!(network.addr(), IpAddr::V6(address) if address.is_unicast_link_local());
    (!is_link_local).then_some(network)
}

fn preferred(route: &RouteMessage) -> Option<IpAddr> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::PrefSource(address) => ip(address),
        _ => None,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

/// An address in a network. Of the whole Internet, one of those for documentation (RFC 5737, RFC 3849).
fn example(network: IpNet) -> IpAddr {
    match network {
        IpNet::V4(network) if network.prefix_len() == 0 => Ipv4Addr::new(203, 0, 113, 254).into(),
        IpNet::V6(network) if network.prefix_len() == 0 => {
            Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xffff, 0, 0, 0, 1).into()
        }
        network => network.hosts().next().unwrap_or(network.addr()),
    }
}

/// The source that the kernel chooses for a destination.
fn asked(destination: IpAddr) -> io::Result<Option<IpAddr>> {
    let mut question = RouteMessage::default();
    let (family, length, address) = match destination {
        IpAddr::V4(address) => (AddressFamily::Inet, 32, RouteAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(address)),
    };
    question.header.address_family = family;
    question.header.destination_prefix_length = length;
    question.attributes.push(RouteAttribute::Destination(address));
    let mut source = None;
    netlink::ask(NETLINK_ROUTE, RouteNetlinkMessage::GetRoute(question), NLM_F_ACK, |answer| {
        if let RouteNetlinkMessage::NewRoute(route) = answer {
            source = preferred(&route);
        }
    })?;
    Ok(source)
}
