//! A topology made real: its nodes started side by side, its links in place and carrying traffic.

use std::collections::BTreeMap;

use super::shape::limit;
use super::{LinkError, NetworkError, configure, create, create_bridge};
use crate::node::{Node, NodeSpec};
use crate::topology::{Link, Topology};

/// How the nodes of a network shall be made. By default they are all alike and know each other by name.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// What all nodes have in common; the name is replaced by the node's.
    pub base: NodeSpec,
    /// Nodes that are made otherwise, by name.
    pub nodes: BTreeMap<String, NodeSpec>,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self { base: NodeSpec::new("node"), nodes: BTreeMap::new() }
    }
}

impl NetworkOptions {
    /// The specification of one node, to be changed.
    pub fn node(&mut self, name: &str) -> &mut NodeSpec {
        let base = &self.base;
        self.nodes.entry(name.to_owned()).or_insert_with(|| base.clone())
    }

    fn spec(&self, name: &str, topology: &Topology) -> NodeSpec {
        let mut spec = self.nodes.get(name).unwrap_or(&self.base).clone();
        name.clone_into(&mut spec.name);
        let of_node = topology.sysctls().iter().filter(|sysctl| sysctl.node == name);
        // Before those of the options, which may say otherwise.
        spec.sysctls.splice(0..0, of_node.map(|sysctl| (sysctl.key.clone(), sysctl.value.clone())));
        spec.hosts.extend(topology.addresses().map(|(node, address)| (address.addr(), node.to_owned())));
        spec
    }
}

/// Nodes joined by links. Dropping it ends them all.
#[derive(Debug)]
pub struct Network {
    topology: Topology,
    nodes: Vec<Node>,
}

impl Network {
    /// Makes a topology real. When it returns, every link carries traffic and every address can be used.
    ///
    /// # Errors
    /// When a node or a link cannot be made. What was made is undone.
    pub fn up(topology: &Topology, options: &NetworkOptions) -> Result<Self, NetworkError> {
        let starting: Vec<_> = topology
            .nodes()
            .map(|name| Node::begin(options.spec(name, topology)))
            .collect::<Result<_, _>>()?;
        let nodes = starting.into_iter().map(|node| node.wait()).collect::<Result<_, _>>()?;
        let network = Self { topology: topology.clone(), nodes };
        network.join()?;
        Ok(network)
    }

    /// The topology that this network was made from.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn node(&self, name: &str) -> Result<&Node, NetworkError> {
        self.nodes.iter().find(|node| node.name() == name).ok_or_else(|| NetworkError::UnknownNode {
            name: name.to_owned(),
            known: self.topology.nodes().collect::<Vec<_>>().join(", "),
        })
    }

    /// Ends all nodes as dropping does, and tells what went wrong.
    ///
    /// # Errors
    /// The first error; all nodes are ended nevertheless.
    pub fn down(self) -> Result<(), NetworkError> {
        let outcomes: Vec<_> = self.nodes.into_iter().map(Node::stop).collect();
        Ok(outcomes.into_iter().collect::<Result<(), _>>()?)
    }

    fn join(&self) -> Result<(), NetworkError> {
        for link in self.topology.links() {
            let [a, b] = &link.ends;
            let outcome = create(self.node(&a.node)?, self.node(&b.node)?, link);
            outcome.map_err(|source| of_link(link, source))?;
            for end in link.ends.iter().filter(|_| link.rate.is_some()) {
                limit(self.node(&end.node)?, &end.interface, link.rate.unwrap_or(u64::MAX))?;
            }
        }
        for bridge in self.topology.bridges() {
            let node = &bridge.end.node;
            create_bridge(self.node(node)?, bridge).map_err(|source| NetworkError::Interfaces {
                node: node.clone(),
                source: Box::new(source),
            })?;
        }
        let pending: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node, configure(node, self.topology.ends_of(node.name()).cloned().collect())))
            .collect();
        for (node, pending) in pending {
            pending.wait()?.map_err(|source| NetworkError::Interfaces {
                node: node.name().to_owned(),
                source: Box::new(source),
            })?;
        }
        Ok(())
    }
}

fn of_link(link: &Link, source: LinkError) -> NetworkError {
    let [a, b] = &link.ends;
    NetworkError::Link { a: a.node.clone(), b: b.node.clone(), source: Box::new(source) }
}
