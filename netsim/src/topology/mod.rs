//! What nodes there are, how they are joined and what names mean: plain data.
//!
//! Pure: nothing here reads a file, the environment or the network, or starts anything. `link::Network` makes a
//! topology real.

mod error;
mod limits;
mod names;
mod ready;
mod resolver;

pub use error::TopologyError;
pub(crate) use names::is_reserved;
pub use resolver::EmbeddedResolver;
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
    embedded_resolver: Option<EmbeddedResolver>,
    sysctls: Vec<Sysctl>,
}

/// A kernel setting of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// The node.
    pub node: String,
    /// The setting, below `net/`.
    pub key: String,
    /// Its value.
    pub value: String,
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
    /// Bits that it carries a second in each direction; as many as it can when not given.
    pub rate: Option<u64>,
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
    /// What is reached through this interface besides its networks.
    pub routes: Vec<Route>,
}

/// A way to a network that is not on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is reached; everything of the gateway's family when not given.
    pub network: Option<IpNet>,
    /// The next hop.
    pub gateway: IpAddr,
}

impl Route {
    /// The default route.
    #[must_use]
    pub fn default_by(gateway: IpAddr) -> Self {
        Self { network: None, gateway }
    }

    /// How many bits of `destination` it names; `None` where it does not lead there.
    fn length_for(&self, destination: IpAddr) -> Option<u8> {
        match self.network {
            Some(network) => network.contains(&destination).then(|| network.prefix_len()),
            None => (IpFamily::of(self.gateway) == IpFamily::of(destination)).then_some(0),
        }
    }
}

impl Topology {
    /// A topology of these nodes and links.
    ///
    /// # Errors
    /// When names are given twice or are reserved, or a link ends at a node that there is not.
    pub fn new(name: &str, nodes: Vec<String>, links: Vec<Link>) -> Result<Self, TopologyError> {
        let mut known = BTreeSet::new();
        for node in &nodes {
            limits::check_node(node)?;
            if names::is_reserved(node) {
                return Err(TopologyError::ReservedName { name: node.clone() });
            }
            if !known.insert(node.as_str()) {
                return Err(TopologyError::DuplicateNode { name: node.clone() });
            }
        }
        links.iter().try_for_each(limits::check_mtu)?;
        let mut interfaces = BTreeSet::new();
        for end in links.iter().flat_map(|link| &link.ends) {
            if !known.contains(end.node.as_str()) {
                return Err(names::unknown(&end.node, known.iter().copied()));
            }
            if !interfaces.insert((end.node.as_str(), end.interface.as_str())) {
                let (node, interface) = (end.node.clone(), end.interface.clone());
                return Err(TopologyError::DuplicateInterface { node, interface });
            }
            limits::check_interface(end)?;
            check_gateways(end)?;
        }
        limits::check_addresses(links.iter().flat_map(|link| &link.ends))?;
        Ok(Self {
            name: name.to_owned(),
            nodes,
            links,
            bridges: Vec::new(),
            name_server: None,
            embedded_resolver: None,
            sysctls: Vec::new(),
        })
    }

    /// The same with links that carry packets of this size.
    ///
    /// # Errors
    /// No link can.
    pub fn with_mtu(mut self, mtu: u32) -> Result<Self, TopologyError> {
        self.links.iter_mut().for_each(|link| link.mtu = Some(mtu));
        self.links.iter().try_for_each(limits::check_mtu)?;
        Ok(self)
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
        limits::check_interface(&bridge.end)?;
        limits::check_addresses(self.ends().chain([&bridge.end]))?;
        check_gateways(&bridge.end)?;
        self.bridges.push(bridge);
        Ok(self)
    }

    /// The same without a family: without its addresses, the ways and the name servers that are reached by it, and the
    /// kernel's settings of it.
    #[must_use]
    pub fn without(mut self, family: IpFamily) -> Self {
        let is_other = |address: IpAddr| IpFamily::of(address) != family;
        let bridges = self.bridges.iter_mut().map(|bridge| &mut bridge.end);
        for end in self.links.iter_mut().flat_map(|link| &mut link.ends).chain(bridges) {
            end.addresses.retain(|address| is_other(address.addr()));
            end.routes.retain(|route| is_other(route.gateway));
        }
        if let Some(place) = &mut self.name_server {
            place.addresses.retain(|address| is_other(*address));
        }
        let settings = match family {
            IpFamily::V4 => "net/ipv4/",
            IpFamily::V6 => "net/ipv6/",
        };
        self.sysctls.retain(|sysctl| !sysctl.key.starts_with(settings));
        self
    }

    /// Its bridges.
    pub fn bridges(&self) -> &[Bridge] {
        &self.bridges
    }

    /// The same with one more address of an interface.
    #[must_use]
    pub fn with_address(mut self, node: &str, interface: &str, address: IpNet) -> Self {
        let bridges = self.bridges.iter_mut().map(|bridge| &mut bridge.end);
        let ends = self.links.iter_mut().flat_map(|link| &mut link.ends).chain(bridges);
        for end in ends.filter(|end| end.node == node && end.interface == interface) {
            end.addresses.push(address);
        }
        self
    }

    /// The same with a name server, which all nodes ask, and which the name `nameserver` stands for.
    #[must_use]
    pub fn with_name_server(mut self, place: NameServerPlace) -> Self {
        self.name_server = Some(place);
        self
    }

    /// The same with a resolver of Docker's kind in the pod, which asks the topology's name server.
    #[must_use]
    pub fn with_embedded_resolver(mut self, resolver: EmbeddedResolver) -> Self {
        self.embedded_resolver = Some(resolver);
        self
    }

    /// The servers that a node's resolv.conf names.
    #[must_use]
    pub fn servers_of(&self, node: &str) -> Vec<IpAddr> {
        let embedded = self.embedded_resolver.filter(|resolver| resolver.node == node);
        match (embedded, &self.name_server) {
            (Some(resolver), _) => vec![resolver.address],
            (None, Some(place)) => place.addresses.clone(),
            (None, None) => Vec::new(),
        }
    }

    /// The resolver of Docker's kind in its pod.
    pub fn embedded_resolver(&self) -> Option<EmbeddedResolver> {
        self.embedded_resolver
    }

    /// The same with a kernel setting in one of its nodes.
    #[must_use]
    pub fn with_sysctl(mut self, node: &str, key: &str, value: &str) -> Self {
        let [node, key, value] = [node, key, value].map(str::to_owned);
        self.sysctls.push(Sysctl { node, key, value });
        self
    }

    /// Its nodes' kernel settings.
    pub fn sysctls(&self) -> &[Sysctl] {
        &self.sysctls
    }

    /// The families of which a node has addresses on links.
    pub fn families_of(&self, node: &str) -> Vec<IpFamily> {
        let has = |family: &IpFamily| {
            self.ends_of(node)
                .flat_map(|end| &end.addresses)
                .any(|address| IpFamily::of(address.addr()) == *family)
        };
        IpFamily::ALL.into_iter().filter(has).collect()
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

    /// The interface by which what `from` sends to `to` arrives at `at`; `None` when it does not pass there.
    pub fn arrival(&self, from: &str, to: IpAddr, at: &str) -> Option<&str> {
        let has = |end: &End, wanted: IpAddr| end.addresses.iter().any(|address| address.addr() == wanted);
        let mut node = from;
        // No way is longer than there are nodes, unless it leads in a circle.
        for _ in self.nodes() {
            if to.is_loopback() || self.ends_of(node).any(|end| has(end, to)) {
                return None;
            }
            let hop = self.next_hop(node, to)?;
            let end = self.ends().find(|end| has(end, hop))?;
            if end.node == at {
                return Some(&end.interface);
            }
            node = &end.node;
        }
        None
    }

    /// The address to which `node` hands what it sends to `to`.
    fn next_hop(&self, node: &str, to: IpAddr) -> Option<IpAddr> {
        let ends = || self.ends().filter(|end| end.node == node);
        if ends().any(|end| end.addresses.iter().any(|network| network.contains(&to))) {
            return Some(to);
        }
        let routes = ends().flat_map(|end| &end.routes);
        let leading = routes.filter_map(|route| Some((route.length_for(to)?, route.gateway)));
        leading.max_by_key(|(length, _)| *length).map(|(_, gateway)| gateway)
    }

    /// The interface by which `node` sends to an address that is not its own: that of the network which the address is
    /// in, else that of the most precise route.
    pub fn egress(&self, node: &str, destination: IpAddr) -> Option<&str> {
        let of_node = || self.ends().filter(|end| end.node == node);
        let on_link =
            of_node().find(|end| end.addresses.iter().any(|network| network.contains(&destination)));
        let by_route = || {
            let ends = of_node().filter_map(|end| {
                let lengths = end.routes.iter().filter_map(|route| route.length_for(destination));
                Some((lengths.max()?, end))
            });
            ends.max_by_key(|(length, _)| *length).map(|(_, end)| end)
        };
        on_link.or_else(by_route).map(|end| end.interface.as_str())
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

    /// The node that has an address.
    pub fn owner(&self, address: IpAddr) -> Option<&str> {
        self.addresses().find(|(_, known)| known.addr() == address).map(|(node, _)| node)
    }

    /// All addresses that links give to nodes, with the node's name.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, IpNet)> {
        self.ends().flat_map(|end| end.addresses.iter().map(|address| (end.node.as_str(), *address)))
    }
}

fn check_gateways(end: &End) -> Result<(), TopologyError> {
    let on_link = |gateway: IpAddr| end.addresses.iter().any(|address| address.contains(&gateway));
    match end.routes.iter().find(|route| !on_link(route.gateway)) {
        None => Ok(()),
        Some(route) => Err(TopologyError::GatewayOffLink { node: end.node.clone(), gateway: route.gateway }),
    }
}

#[cfg(test)]
mod tests;
