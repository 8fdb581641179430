//! The ready-made topologies, by name.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::names::suggestion;
use super::{End, Link, Topology, TopologyError};

type Make = fn() -> Result<Topology, TopologyError>;

const READY: [(&str, Make); 2] = [("pod", pod), ("pod-and-peer", pod_and_peer)];

impl Topology {
    /// The names of the ready-made topologies.
    pub fn ready_names() -> impl Iterator<Item = &'static str> {
        READY.iter().map(|(name, _)| *name)
    }

    /// A ready-made topology.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn ready(name: &str) -> Result<Self, TopologyError> {
        if let Some((_, make)) = READY.iter().find(|(known, _)| *known == name) {
            return make();
        }
        let known: Vec<_> = Self::ready_names().collect();
        Err(TopologyError::UnknownTopology {
            name: name.to_owned(),
            suggestion: suggestion(name, &known),
            known: known.join(", "),
        })
    }
}

/// One pod, whose default route leads to a gateway that does nothing.
fn pod() -> Result<Topology, TopologyError> {
    two("pod", ("pod", 2), ("gateway", 1))
}

/// Two nodes, each the other's default route, so that off-link destinations leave by eth0, too.
fn pod_and_peer() -> Result<Topology, TopologyError> {
    two("pod-and-peer", ("pod", 2), ("peer", 3))
}

/// Two nodes in 10.77.0.0/24 and fd77::/64, joined by one link, each the other's default gateway.
fn two(name: &str, a: (&str, u8), b: (&str, u8)) -> Result<Topology, TopologyError> {
    let end = |(node, own): (&str, u8), (_, other): (&str, u8)| End {
        node: node.to_owned(),
        interface: "eth0".to_owned(),
        addresses: addresses(own).to_vec(),
        gateways: addresses(other).map(|gateway| gateway.addr()).to_vec(),
    };
    let link = Link { ends: [end(a, b), end(b, a)], mtu: None };
    Topology::new(name, vec![a.0.to_owned(), b.0.to_owned()], vec![link])
}

fn addresses(host: u8) -> [IpNet; 2] {
    let v4 = Ipv4Addr::new(10, 77, 0, host);
    let v6 = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, host.into());
    [Ipv4Net::new_assert(v4, 24).into(), Ipv6Net::new_assert(v6, 64).into()]
}
