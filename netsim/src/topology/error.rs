//! What can be wrong with a topology or with a name in it.

use std::net::IpAddr;

use super::IpFamily;

/// What can be wrong with a topology or a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// No ready-made topology has this name.
    #[error("there is no topology {name:?}; there are: {known}{suggestion}")]
    UnknownTopology {
        /// The name.
        name: String,
        /// All names, with commas.
        known: String,
        /// The closest one, as a sentence.
        suggestion: String,
    },
    /// A name means nothing here.
    #[error("{name:?} is neither an address nor a name here; names are: {known}{suggestion}")]
    UnknownName {
        /// The name.
        name: String,
        /// All names, with commas.
        known: String,
        /// The closest one, as a sentence.
        suggestion: String,
    },
    /// A node has no address of the family.
    #[error("{name:?} has no {family} address")]
    NoAddress {
        /// The name.
        name: String,
        /// The family.
        family: IpFamily,
    },
    /// A literal address is of the other family.
    #[error("{address} is not an {family} address")]
    OtherFamily {
        /// The address.
        address: IpAddr,
        /// The family asked for.
        family: IpFamily,
    },
    /// No port where one is needed.
    #[error("{text:?} has no port: write name:port, as in \"peer:9000\" or \"[fd77::3]:9000\"")]
    Port {
        /// What was written.
        text: String,
    },
    /// Two nodes of one name.
    #[error("two nodes are called {name:?}")]
    DuplicateNode {
        /// The name.
        name: String,
    },
    /// A name with a meaning of its own.
    #[error("no node can be called {name:?}: the name has a meaning of its own")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// Two interfaces of one name.
    #[error("node {node:?} has two interfaces called {interface:?}")]
    DuplicateInterface {
        /// The node.
        node: String,
        /// The interface.
        interface: String,
    },
    /// A name that no node can have.
    #[error(
        "{name:?} is no name for a node: 1 to {longest} letters, digits, `-`, `_` and `.`, and no `-` or `.` first"
    )]
    NodeName {
        /// The name.
        name: String,
        /// How many bytes it can have.
        longest: usize,
    },
    /// A name that no interface can have.
    #[error(
        "{node}: {interface:?} is no name for an interface: 1 to {longest} bytes without blanks, quotes, `/`, `:` or `%`; `lo` is there already"
    )]
    InterfaceName {
        /// The node.
        node: String,
        /// The interface.
        interface: String,
        /// How many bytes it can have.
        longest: usize,
    },
    /// A packet size that no link can have.
    #[error("an MTU is from {least} to {most}, not {mtu}")]
    Mtu {
        /// The size in bytes.
        mtu: u32,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// One address twice.
    #[error("{address} is an address of {:?} and of {:?}: each has one place", places[0], places[1])]
    DuplicateAddress {
        /// The address.
        address: IpAddr,
        /// Where it is, each as `node interface`.
        places: [String; 2],
    },
    /// An interface that a node has not.
    #[error("{node} has no interface {interface:?}")]
    NoInterface {
        /// The node.
        node: String,
        /// The interface.
        interface: String,
    },
    /// A gateway that cannot be reached directly.
    #[error("gateway {gateway} is in no network of an interface of node {node:?}")]
    GatewayOffLink {
        /// The node.
        node: String,
        /// The gateway.
        gateway: IpAddr,
    },
    /// A name server at an address that its node has not.
    #[error("the name server's address {address} is none of its node's")]
    UnknownServer {
        /// The address.
        address: IpAddr,
    },
}
