//! What nodes there are, how they are joined and what names mean: plain data.
//!
//! Pure: nothing here reads a file, the environment or the network, or starts anything. `link::Network` makes a
//! topology real.

mod error;
mod names;
mod ready;

pub use error::TopologyError;
pub use tproxy::family::IpFamily;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// Nodes joined by links. Always valid: names are unique, links end at nodes that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    name: String,
    nodes: Vec<String>,
    links: Vec<Link>,
    bridges: Vec<Bridge>,
    name_server: Option<NameServerPlace>,
}

/// A bridge in a node, which joins some of its links into one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The node's end of it, with the addresses that the node has in that network.
    pub end: End,
    /// The interfaces of the same node that it joins. They have no addresses of their own.
    pub ports: Vec<String>,
}

/// Where a topology's name server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServerPlace {
    /// The node that it is in.
    pub node: String,
    /// Its addresses, at most one a family, which are among that node's.
    pub addresses: Vec<IpAddr>,
}

/// A veth pair between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its two ends.
    pub ends: [End; 2],
    /// The largest packet that it carries; the kernel's default when not given.
    pub mtu: Option<u32>,
}

/// One end of a link: an interface of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The node.
    pub node: String,
    /// The interface's name there.
    pub interface: String,
    /// Its addresses. The first of a family is what the node's name means in that family.
    pub addresses: Vec<IpNet>,
    /// Default gateways reached through this interface, at most one per family.
    pub gateways: Vec<IpAddr>,
}

impl Topology {
    /// A topology of these nodes and links.
    ///
    /// # Errors
    /// When names are given twice or are reserved, or a link ends at a node that there is not.
    pub fn new(name: &str, nodes: Vec<String>, links: Vec<Link>) -> Result<Self, TopologyError> {
        let mut known = BTreeSet::new();
        for node in &nodes {
            if names::is_reserved(node) {
                return Err(TopologyError::ReservedName { name: node.clone() });
            }
            if !known.insert(node.as_str()) {
                return Err(TopologyError::DuplicateNode { name: node.clone() });
            }
        }
        let mut interfaces = BTreeSet::new();
        for end in links.iter().flat_map(|link| &link.ends) {
            if !known.contains(end.node.as_str()) {
                return Err(names::unknown(&end.node, known.iter().copied()));
            }
            if !interfaces.insert((end.node.as_str(), end.interface.as_str())) {
                let (node, interface) = (end.node.clone(), end.interface.clone());
                return Err(TopologyError::DuplicateInterface { node, interface });
            }
            check_gateways(end)?;
        }
        Ok(Self { name: name.to_owned(), nodes, links, bridges: Vec::new(), name_server: None })
    }

    /// The same with a bridge.
    ///
    /// # Errors
    /// Its name is taken, or its node has not the interfaces that it joins.
    pub fn with_bridge(mut self, bridge: Bridge) -> Result<Self, TopologyError> {
        let (node, interface) = (bridge.end.node.clone(), bridge.end.interface.clone());
        let has = |name: &String| self.ends_of(&node).any(|end| end.interface == *name);
        if has(&interface) {
            return Err(TopologyError::DuplicateInterface { node, interface });
        }
        if let Some(port) = bridge.ports.iter().find(|port| !has(port)) {
            return Err(TopologyError::NoInterface { node, interface: port.clone() });
        }
        check_gateways(&bridge.end)?;
        self.bridges.push(bridge);
        Ok(self)
    }

    /// Its bridges.
    pub fn bridges(&self) -> &[Bridge] {
        &self.bridges
    }

    /// The same with a name server, which all nodes ask, and which the name `nameserver` stands for.
    #[must_use]
    pub fn with_name_server(mut self, place: NameServerPlace) -> Self {
        self.name_server = Some(place);
        self
    }

    /// Where its name server is.
    pub fn name_server(&self) -> Option<&NameServerPlace> {
        self.name_server.as_ref()
    }

    /// The topology's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of its nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(String::as_str)
    }

    /// Its links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The interfaces of a node.
    pub fn ends_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a End> {
        self.ends().filter(move |end| end.node == node)
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        self.links.iter().flat_map(|link| &link.ends).chain(self.bridges.iter().map(|bridge| &bridge.end))
    }

    /// The interface by which `node` sends to an address that is not its own: that of the network which the address is
    /// in, else that of the default gateway.
    pub fn egress(&self, node: &str, destination: IpAddr) -> Option<&str> {
        let of_node = || self.ends().filter(|end| end.node == node);
        let on_link =
            of_node().find(|end| end.addresses.iter().any(|network| network.contains(&destination)));
        let family = IpFamily::of(destination);
        let by_default =
            || of_node().find(|end| end.gateways.iter().any(|gateway| IpFamily::of(*gateway) == family));
        on_link.or_else(by_default).map(|end| end.interface.as_str())
    }

    /// The interface of `node` on the link to `other`: the bridge where it joins that link.
    pub fn interface_towards(&self, node: &str, other: &str) -> Option<&str> {
        let joins =
            |link: &&Link| [node, other].iter().all(|name| link.ends.iter().any(|end| end.node == *name));
        let link = self.links.iter().find(joins)?;
        let interface = link.ends.iter().find(|end| end.node == node).map(|end| end.interface.as_str())?;
        let joins =
            |bridge: &&Bridge| bridge.end.node == node && bridge.ports.iter().any(|port| port == interface);
        Some(self.bridges.iter().find(joins).map_or(interface, |bridge| bridge.end.interface.as_str()))
    }

    /// All addresses that links give to nodes, with the node's name.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, IpNet)> {
        self.ends().flat_map(|end| end.addresses.iter().map(|address| (end.node.as_str(), *address)))
    }
}

fn check_gateways(end: &End) -> Result<(), TopologyError> {
    match end.gateways.iter().find(|gateway| !end.addresses.iter().any(|address| address.contains(*gateway)))
    {
        None => Ok(()),
        Some(gateway) => Err(TopologyError::GatewayOffLink {
            node: end.node.clone(),
            interface: end.interface.clone(),
            gateway: *gateway,
        }),
    }
}

#[cfg(test)]
mod tests;
