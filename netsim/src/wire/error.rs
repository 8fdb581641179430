//! What can go wrong with watching a wire.

use std::io;
use std::time::Duration;

use crate::node::NodeError;

/// What can go wrong with a wire.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// An interface that there is not.
    #[error("there is no interface `{interface}` to watch")]
    NoInterface {
        /// The node and the interface.
        interface: String,
    },
    /// The packet socket.
    #[error("cannot watch the wire of `{interface}`: {source}")]
    Socket {
        /// The node and the interface.
        interface: String,
        /// Why.
        source: io::Error,
    },
    /// A frame that was sent and not shown.
    #[error("a frame that was sent by `{interface}` was not seen there within {within:?}: is it up?")]
    Unseen {
        /// The node and the interface.
        interface: String,
        /// How long was waited.
        within: Duration,
    },
    /// No segment that another could be made from.
    #[error("no segment of the connection was seen on `{interface}`")]
    NoSegment {
        /// The node and the interface.
        interface: String,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
}
