//! What can go wrong with links and networks.

use std::io;
use std::time::Duration;

use crate::node::{NodeError, ProcessError};

/// What can go wrong with a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {source}")]
    Socket {
        /// Why.
        source: io::Error,
    },
    /// The kernel refused a request.
    #[error("cannot {step}: {source}")]
    Refused {
        /// What was asked, with names and addresses.
        step: String,
        /// Why.
        source: io::Error,
    },
    /// An interface that there is not.
    #[error("there is no interface {interface:?} in this node")]
    NoInterface {
        /// Its name.
        interface: String,
    },
    /// A link that stays down.
    #[error(
        "interface {interface} does not carry traffic {within:?} after it was set up: is the other end up?"
    )]
    Down {
        /// Its name.
        interface: String,
        /// How long was waited.
        within: Duration,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What can go wrong with a network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A link.
    #[error("link between {a} and {b}: {source}")]
    Link {
        /// One end.
        a: String,
        /// The other end.
        b: String,
        /// Why.
        source: Box<LinkError>,
    },
    /// An interface of a node.
    #[error("interfaces of {node}: {source}")]
    Interfaces {
        /// The node.
        node: String,
        /// Why.
        source: Box<LinkError>,
    },
    /// A limit of what an interface sends.
    #[error("cannot limit the rate of {interface} of {node}: {source}")]
    Rate {
        /// The node.
        node: String,
        /// The interface.
        interface: String,
        /// Why.
        source: Box<ProcessError>,
    },
    /// A node that there is not.
    #[error("there is no node {name:?} in this network; there are: {known}")]
    UnknownNode {
        /// The name.
        name: String,
        /// All names, with commas.
        known: String,
    },
}
