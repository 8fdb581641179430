//! The ready-made topologies, by name.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::names::suggestion;
use super::{Bridge, EmbeddedResolver, End, IpFamily, Link, NameServerPlace, Route, Topology, TopologyError};

type Make = fn() -> Result<Topology, TopologyError>;

/// What each is, in the words of a user, and how it is made.
const READY: [(&str, &str, Make); 8] = [
    ("pod", "one host, and a gateway that does nothing", pod),
    (
        "pod-and-peer",
        "two hosts joined by a link; a name server lives in the peer, at addresses of its own",
        pod_and_peer,
    ),
    (
        "pod-and-two-peers",
        "as `pod-and-peer`, with a node `second` on a link of its own, the pod's eth1",
        pod_and_two_peers,
    ),
    ("pod-without-ipv6", "as `pod-and-peer`, with IPv6 switched off in the pod by sysctl", pod_without_ipv6),
    ("v6-only", "as `pod-and-peer`, without IPv4 but on loopback", v6_only),
    (
        "host-with-vm",
        "as `pod-and-peer`, with a virtual machine `vm` behind the pod's interface vm0",
        host_with_vm,
    ),
    (
        "host-with-bridge-and-vm",
        "as `host-with-vm`, the machine behind the pod's bridge br0, whose port vm0 is",
        host_with_bridge_and_vm,
    ),
    (
        "host-with-docker-dns",
        "as `pod-and-peer`; the pod's resolver is one like Docker's, at 127.0.0.11 by Docker's rules, and asks the \
         name server",
        host_with_docker_dns,
    ),
];

impl Topology {
    /// The names of the ready-made topologies, and what each is.
    pub fn all_ready() -> impl Iterator<Item = (&'static str, &'static str)> {
        READY.iter().map(|(name, meaning, _)| (*name, *meaning))
    }

    /// A ready-made topology.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn ready(name: &str) -> Result<Self, TopologyError> {
        if let Some((.., make)) = READY.iter().find(|(known, ..)| *known == name) {
            return make();
        }
        let known: Vec<_> = READY.iter().map(|(name, ..)| *name).collect();
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

/// Two nodes, each the other's default route, so that off-link destinations leave by eth0, too. A name server lives in
/// the peer, at addresses of its own.
fn pod_and_peer() -> Result<Topology, TopologyError> {
    let mut links = vec![link(("pod", "eth0", 77, 2), ("peer", "eth0", 77, 3))];
    let server = addresses(77, 53);
    if let Some(peer) = links.first_mut().and_then(|link| link.ends.last_mut()) {
        peer.addresses.extend(server);
    }
    let topology = Topology::new("pod-and-peer", names(["pod", "peer"]), links)?;
    let addresses = server.map(|address| address.addr()).to_vec();
    Ok(topology.with_name_server(NameServerPlace { node: "peer".to_owned(), addresses }))
}

/// The same with a second peer on a link of its own, `eth1` of the pod.
fn pod_and_two_peers() -> Result<Topology, TopologyError> {
    let base = pod_and_peer()?;
    let mut second = link(("pod", "eth1", 79, 2), ("second", "eth0", 79, 3));
    if let Some(pod) = second.ends.first_mut() {
        pod.routes.clear();
    }
    let links = base.links().iter().cloned().chain([second]).collect();
    let topology = Topology::new("pod-and-two-peers", names(["pod", "peer", "second"]), links)?;
    Ok(with_server_of(topology, &base))
}

/// A pod that has IPv6 switched off, as many hosts do by sysctl, and its peer.
fn pod_without_ipv6() -> Result<Topology, TopologyError> {
    let topology = only("pod-without-ipv6", IpFamily::V4)?;
    Ok(topology.with_sysctl("pod", "net/ipv6/conf/all/disable_ipv6", "1"))
}

/// A pod and its peer without IPv4 addresses but those of loopback.
fn v6_only() -> Result<Topology, TopologyError> {
    only("v6-only", IpFamily::V6)
}

/// A pod and its peer with links of one family.
fn only(name: &str, family: IpFamily) -> Result<Topology, TopologyError> {
    let other = if family == IpFamily::V4 { IpFamily::V6 } else { IpFamily::V4 };
    let base = pod_and_peer()?.without(other);
    let topology = Topology::new(name, base.nodes().map(str::to_owned).collect(), base.links().to_vec())?;
    Ok(with_server_of(topology, &base))
}

/// The same with the other's name server.
fn with_server_of(topology: Topology, other: &Topology) -> Topology {
    match other.name_server() {
        Some(place) => topology.with_name_server(place.clone()),
        None => topology,
    }
}

/// A pod and its peer, and a virtual machine behind the pod's interface vm0, which knows no other way out.
fn host_with_vm() -> Result<Topology, TopologyError> {
    let base = pod_and_peer()?;
    let mut behind = link(("pod", "vm0", 78, 1), ("vm", "eth0", 78, 2));
    if let Some(pod) = behind.ends.first_mut() {
        pod.routes.clear();
    }
    let links = base.links().iter().cloned().chain([behind]).collect();
    let topology = Topology::new("host-with-vm", names(["pod", "peer", "vm"]), links)?;
    Ok(with_server_of(topology, &base))
}

/// The same with the virtual machine behind the pod's bridge br0, whose port vm0 has no address.
fn host_with_bridge_and_vm() -> Result<Topology, TopologyError> {
    let base = host_with_vm()?;
    let mut links = base.links().to_vec();
    let port = links.iter_mut().flat_map(|link| &mut link.ends).find(|end| end.interface == "vm0");
    let addresses = port.map(|port| std::mem::take(&mut port.addresses)).unwrap_or_default();
    let end = End { node: "pod".to_owned(), interface: "br0".to_owned(), addresses, routes: Vec::new() };
    let topology = Topology::new("host-with-bridge-and-vm", names(["pod", "peer", "vm"]), links)?;
    let topology = topology.with_bridge(Bridge { end, ports: vec!["vm0".to_owned()] })?;
    Ok(with_server_of(topology, &base))
}

/// A pod and its peer; the pod is a container with a resolver of Docker's.
fn host_with_docker_dns() -> Result<Topology, TopologyError> {
    let base = pod_and_peer()?;
    let topology = Topology::new("host-with-docker-dns", names(["pod", "peer"]), base.links().to_vec())?;
    Ok(with_server_of(topology, &base).with_embedded_resolver(EmbeddedResolver::DOCKER))
}

/// Two nodes in 10.77.0.0/24 and fd77::/64, joined by one link, each the other's default gateway.
fn two(name: &str, a: (&str, u8), b: (&str, u8)) -> Result<Topology, TopologyError> {
    let link = link((a.0, "eth0", 77, a.1), (b.0, "eth0", 77, b.1));
    Topology::new(name, names([a.0, b.0]), vec![link])
}

fn names<const N: usize>(nodes: [&str; N]) -> Vec<String> {
    nodes.map(str::to_owned).to_vec()
}

/// A link whose ends, by node, interface, network and host, are each the other's default gateway.
fn link(a: (&str, &str, u8, u8), b: (&str, &str, u8, u8)) -> Link {
    let end = |own: (&str, &str, u8, u8), other: (&str, &str, u8, u8)| End {
        node: own.0.to_owned(),
        interface: own.1.to_owned(),
        addresses: addresses(own.2, own.3).to_vec(),
        routes: addresses(other.2, other.3).map(|gateway| Route::default_by(gateway.addr())).to_vec(),
    };
    Link { ends: [end(a, b), end(b, a)], mtu: None, rate: None }
}

/// Addresses 10.NETWORK.0.HOST/24 and fdNETWORK::HOST/64, whose numbers read the same in both.
fn addresses(network: u8, host: u8) -> [IpNet; 2] {
    let read_as_decimal = |number: u8| u16::from(number / 10 * 16 + number % 10);
    let v4 = Ipv4Addr::new(10, network, 0, host);
    let v6 = Ipv6Addr::new(0xfd00 + read_as_decimal(network), 0, 0, 0, 0, 0, 0, read_as_decimal(host));
    [Ipv4Net::new_assert(v4, 24).into(), Ipv6Net::new_assert(v6, 64).into()]
}
