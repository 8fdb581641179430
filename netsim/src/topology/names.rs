//! What names mean: one scenario line serves both families because a name stands for an address of either.

use std::net::{IpAddr, SocketAddr};

use tproxy::diagnostic::suggest;

use super::{IpFamily, Topology, TopologyError};

type Meaning = fn(IpFamily) -> IpAddr;

/// The name that stands for the topology's name server.
const NAME_SERVER: &str = "nameserver";

/// Names that mean the same on every node.
const RESERVED: [(&str, Meaning); 2] =
    [("localhost", IpFamily::localhost), ("passthrough", IpFamily::passthrough)];

/// Where flows end besides nodes, and who sends them: a node of such a name would be taken for it.
const ACTORS: [&str; 12] = [
    "app",
    "other",
    "root",
    "sidecar",
    "sidecar-inbound",
    "sidecar-outbound",
    "sidecar-dns",
    "resolver",
    "refused",
    "reset",
    "unanswered",
    "unreachable",
];

/// Whether a name means something already, so that no node or user may bear it.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == NAME_SERVER || ACTORS.contains(&name) || RESERVED.iter().any(|(reserved, _)| *reserved == name)
}

impl Topology {
    /// The names that stand for addresses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let server = self.name_server().map(|_| NAME_SERVER);
        self.nodes().chain(RESERVED.iter().map(|(name, _)| *name)).chain(server)
    }

    /// The address that a name, or a literal address, means in a family.
    ///
    /// # Errors
    /// When it means none in this family, or nothing at all.
    pub fn address(&self, name: &str, family: IpFamily) -> Result<IpAddr, TopologyError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return if IpFamily::of(address) == family {
                Ok(address)
            } else {
                Err(TopologyError::OtherFamily { address, family })
            };
        }
        if let Some((_, meaning)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            return Ok(meaning(family));
        }
        if let Some(server) = self.name_server().filter(|_| name == NAME_SERVER) {
            let own = server.addresses.iter().find(|address| IpFamily::of(**address) == family);
            return own.copied().ok_or_else(|| TopologyError::NoAddress { name: name.to_owned(), family });
        }
        if let Some((node, other)) = name.split_once('@') {
            return self.address_towards(node, other, family);
        }
        if !self.nodes().any(|node| node == name) {
            return Err(unknown(name, self.names()));
        }
        self.addresses()
            .filter(|(node, _)| *node == name)
            .map(|(_, address)| address.addr())
            .find(|address| IpFamily::of(*address) == family)
            .ok_or_else(|| TopologyError::NoAddress { name: name.to_owned(), family })
    }

    /// The address of `node` in the network that it shares with `other`.
    fn address_towards(&self, node: &str, other: &str, family: IpFamily) -> Result<IpAddr, TopologyError> {
        let none = || TopologyError::NoAddress { name: format!("{node}@{other}"), family };
        let interface = self.interface_towards(node, other).ok_or_else(none)?;
        let ends = self.ends_of(node).filter(|end| end.interface == interface);
        let own = ends.flat_map(|end| &end.addresses).map(|address| address.addr());
        let mut own = own;
        own.find(|address| IpFamily::of(*address) == family).ok_or_else(none)
    }

    /// The address and port that `name:port` means in a family. An IPv6 literal stands in brackets.
    ///
    /// # Errors
    /// As [`Topology::address`], and when there is no port.
    pub fn socket_address(&self, text: &str, family: IpFamily) -> Result<SocketAddr, TopologyError> {
        let no_port = || TopologyError::Port { text: text.to_owned() };
        let (name, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        let port = port.parse().map_err(|_| no_port())?;
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if bare.is_none() && name.contains(':') {
            return Err(no_port());
        }
        Ok(SocketAddr::new(self.address(bare.unwrap_or(name), family)?, port))
    }

    /// The name of an address, for people to read: a node's, localhost or passthrough.
    pub fn name_of(&self, address: IpAddr) -> Option<&str> {
        let family = IpFamily::of(address);
        let reserved = RESERVED.iter().find(|(_, meaning)| meaning(family) == address).map(|(name, _)| *name);
        reserved.or_else(|| self.addresses().find(|(_, known)| known.addr() == address).map(|(node, _)| node))
    }
}

pub(super) fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> TopologyError {
    let names: Vec<_> = names.collect();
    TopologyError::UnknownName {
        name: name.to_owned(),
        suggestion: suggestion(name, &names),
        known: names.join(", "),
    }
}

pub(super) fn suggestion(name: &str, names: &[&str]) -> String {
    suggest(name, names.iter().copied())
        .map(|closest| format!("; did you mean {closest:?}?"))
        .unwrap_or_default()
}
