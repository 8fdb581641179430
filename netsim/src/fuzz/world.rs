//! The network that flows are drawn in, and who and what there is in it.
//!
//! Pure. Must never hold anything that tproxy computes: claims are made from this alone.

use std::net::{IpAddr, SocketAddr};

use crate::node::Identity;
use crate::scenario::Layout;
use crate::topology::IpFamily;

/// The network, as a scenario file has it, so that what is found can be written down as one.
///
/// The peer has addresses that networks of every length hold or just miss.
pub(super) const LAYOUT: &str = "\
nodes: [pod, peer, second, vm]
links:
  - { between: [pod eth0, peer eth0] }
  - { between: [pod eth1, second eth0] }
  - { between: [pod vm0, vm eth0] }
addresses:
  pod eth0: [10.77.0.2/24, \"fd77::2/64\"]
  pod eth1: [10.79.0.2/24, \"fd79::2/64\"]
  pod vm0: [10.78.0.1/24, \"fd78::1/64\"]
  peer eth0: [10.77.0.3/24, 10.77.0.53/24, 198.18.0.1/32, 198.18.0.2/32, 198.18.0.127/32, 198.18.0.128/32,
              198.18.0.255/32, 198.18.1.0/32, 198.18.127.255/32, 198.18.128.0/32, 198.19.0.1/32, 203.0.113.9/32,
              \"fd77::3/64\", \"fd77::53/64\", \"2001:db8::1/128\", \"2001:db8::2/128\", \"2001:db8::7fff/128\",
              \"2001:db8::8000/128\", \"2001:db8:0:1::1/128\", \"2001:db8:8000::1/128\", \"2001:db9::1/128\",
              \"2002::9/128\"]
  second eth0: [10.79.0.3/24, \"fd79::3/64\"]
  vm eth0: [10.78.0.2/24, 10.78.0.200/24, \"fd78::2/64\", \"fd78::200/64\"]
routes:
  pod: [default via 10.77.0.3, \"default via fd77::3\"]
  peer: [default via 10.77.0.2, \"default via fd77::2\"]
  second: [default via 10.79.0.2, \"default via fd79::2\"]
  vm: [default via 10.78.0.1, \"default via fd78::1\"]
name-server: { on: peer, addresses: [10.77.0.53, \"fd77::53\"] }
";

/// The settings of its nodes: the pod forwards, as a host with a virtual machine does.
pub(super) const SYSCTLS: [(&str, &str, &str); 2] =
    [("pod", "net/ipv4/ip_forward", "1"), ("pod", "net/ipv6/conf/all/forwarding", "1")];

/// The layout as the scenario schema reads it.
///
/// # Errors
/// The text above is wrong.
pub(super) fn layout() -> Result<Layout, serde_saphyr::Error> {
    serde_saphyr::from_str(LAYOUT)
}

/// Users and groups of the pod, those at the ends of what 32 bits hold among them.
pub(super) const IDENTITIES: [Identity; 12] = [
    Identity::new(0, 0),
    Identity::new(999, 999),
    Identity::new(1000, 1000),
    Identity::new(1001, 1001),
    Identity::new(1002, 7),
    Identity::new(1999, 8),
    Identity::new(2000, 9),
    Identity::new(5678, 5678),
    Identity::new(65534, 65534),
    Identity::new(65536, 65536),
    Identity::new(2_147_483_648, 2_147_483_648),
    Identity::new(4_294_967_294, 4_294_967_294),
];

/// The user that the sidecar runs as where no option says otherwise (Kuma behaviour).
pub(super) const SIDECAR: u32 = 5678;

/// Ports that are called, the ends of ranges and the sidecar's among them.
pub(super) const PORTS: [u16; 18] =
    [1, 22, 52, 53, 54, 80, 443, 1023, 1024, 7999, 8000, 8080, 8999, 9000, 15053, 32768, 65534, 65535];

/// A port of [`PORTS`] that no option is ever drawn with.
pub(super) const QUIET_PORT: u16 = 32768;

/// Where a sidecar listens: inbound, outbound and for queries; by default, and otherwise.
pub(super) const INBOUND: [u16; 2] = [15006, 16006];
pub(super) const OUTBOUND: [u16; 2] = [15001, 16001];
pub(super) const QUERIES: [u16; 2] = [15053, 16053];

/// The addresses of a node, by family. The first is the one that others call it by.
pub(super) fn addresses(node: &str, family: IpFamily) -> Vec<IpAddr> {
    let all: &[&str] = match (node, family) {
        ("pod", IpFamily::V4) => &["10.77.0.2", "10.78.0.1", "10.79.0.2"],
        ("pod", IpFamily::V6) => &["fd77::2", "fd78::1", "fd79::2"],
        ("peer", IpFamily::V4) => &[
            "10.77.0.3",
            "10.77.0.53",
            "198.18.0.1",
            "198.18.0.2",
            "198.18.0.127",
            "198.18.0.128",
            "198.18.0.255",
            "198.18.1.0",
            "198.18.127.255",
            "198.18.128.0",
            "198.19.0.1",
            "203.0.113.9",
        ],
        ("peer", IpFamily::V6) => &[
            "fd77::3",
            "fd77::53",
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::7fff",
            "2001:db8::8000",
            "2001:db8:0:1::1",
            "2001:db8:8000::1",
            "2001:db9::1",
            "2002::9",
        ],
        ("second", IpFamily::V4) => &["10.79.0.3"],
        ("second", IpFamily::V6) => &["fd79::3"],
        ("vm", IpFamily::V4) => &["10.78.0.2", "10.78.0.200"],
        ("vm", IpFamily::V6) => &["fd78::2", "fd78::200"],
        _ => &[],
    };
    all.iter().filter_map(|address| address.parse().ok()).collect()
}

/// An address of the peer in no network that is ever drawn, but for those of length 0.
pub(super) fn quiet(family: IpFamily) -> Option<IpAddr> {
    addresses("peer", family).last().copied()
}

/// The name server that the pod's resolv.conf names.
pub(super) fn name_server(family: IpFamily) -> Option<IpAddr> {
    addresses("peer", family).get(1).copied()
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sender {
    /// A process in the pod, by its number in [`IDENTITIES`].
    Local(usize),
    /// Root in another node.
    Node(&'static str),
}

impl Sender {
    /// The process in the pod that runs as this user.
    pub(super) fn uid(uid: u32) -> Option<Self> {
        IDENTITIES.iter().position(|identity| identity.uid == uid).map(Self::Local)
    }

    /// Who it is, where it is in the pod.
    pub(super) fn identity(self) -> Option<Identity> {
        match self {
            Self::Local(number) => IDENTITIES.get(number).copied(),
            Self::Node(_) => None,
        }
    }

    /// Its name in a scenario.
    pub(super) fn name(self) -> String {
        match self {
            Self::Local(number) => {
                let identity = IDENTITIES.get(number).copied().unwrap_or(Identity::ROOT);
                format!("user-{}-{}", identity.uid, identity.gid)
            }
            Self::Node(node) => node.to_owned(),
        }
    }
}

/// How a flow is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

/// One flow to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shot {
    pub(super) from: Sender,
    pub(super) source: Option<IpAddr>,
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    /// What the generator itself says of it.
    pub(super) claim: Option<Claim>,
}

/// What must become of a flow, said without tproxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It goes where it was sent.
    Passes,
    /// It is delivered to this port of the sidecar.
    Redirected(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_right_and_has_the_addresses_that_are_drawn() {
        let topology = layout().unwrap().topology().unwrap();
        for node in ["pod", "peer", "second", "vm"] {
            for family in IpFamily::ALL {
                let of_node: Vec<IpAddr> = topology
                    .addresses()
                    .filter(|(owner, address)| *owner == node && IpFamily::of(address.addr()) == family)
                    .map(|(_, address)| address.addr())
                    .collect();
                let mut drawn = addresses(node, family);
                let mut there = of_node;
                drawn.sort();
                there.sort();
                assert_eq!(drawn, there, "{node} {family}");
            }
        }
    }
}
