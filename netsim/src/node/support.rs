//! Whether nodes can be made here at all, so that tests can be skipped with a reason.

use std::sync::OnceLock;

use super::spec::NodeSpec;
use super::{Node, NodeError};

/// Why no nodes can be made here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Rules that match an owner, eBPF and threads with other identities need the real root.
    #[error("not root (uid {uid}): network namespaces with several users need it; run it with sudo")]
    NotRoot {
        /// Who it is.
        uid: u32,
    },
    /// A step that the kernel or the container refused.
    #[error("this system refuses to make a node: {reason}")]
    Refused {
        /// Which step, and why.
        reason: String,
    },
}

/// Whether nodes can be made here. It is tried, once per process, by making one.
///
/// # Errors
/// The reason why not.
pub fn support() -> Result<(), Unsupported> {
    static OUTCOME: OnceLock<Result<(), Unsupported>> = OnceLock::new();
    OUTCOME.get_or_init(try_it).clone()
}

fn try_it() -> Result<(), Unsupported> {
    let uid = nix::unistd::geteuid();
    if !uid.is_root() {
        return Err(Unsupported::NotRoot { uid: uid.as_raw() });
    }
    Node::start(NodeSpec::new("trial"))
        .and_then(Node::stop)
        .map_err(|error: NodeError| Unsupported::Refused { reason: error.to_string() })
}
