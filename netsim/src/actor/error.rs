//! What can go wrong with actors themselves. How a connection ends is not an error: see [`super::Outcome`].

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::node::NodeError;
use crate::topology::IpFamily;

/// What can go wrong with an actor.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    /// A port that it cannot listen on.
    #[error("cannot listen on {family} port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// The family.
        family: IpFamily,
        /// Why.
        source: io::Error,
    },
    /// An address that it cannot listen at.
    #[error("cannot listen at {address}: {source}")]
    ListenAt {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A client's socket.
    #[error("cannot make a socket: {source}")]
    Socket {
        /// Why.
        source: io::Error,
    },
    /// A source address that is not the node's.
    #[error("cannot call from {address}: {source}; is it an address of this node?")]
    Source {
        /// The address.
        address: IpAddr,
        /// Why.
        source: io::Error,
    },
    /// A kept connection.
    #[error("cannot use a connection that was kept: {source}")]
    Held {
        /// Why.
        source: io::Error,
    },
    /// The thread.
    #[error(transparent)]
    Node(#[from] NodeError),
}
