//! Whether a backend can be run here: tried once in a node of its own, never guessed from versions.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use tproxy::backend::BackendId;
use tproxy::ebpf;

use crate::node::{self, Node, NodeSpec, Program};

/// Why a backend cannot be run here, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(String);

/// Loads one rule of each kind that an installation needs.
const PROBE: &str =
    "*nat\n-A OUTPUT -p tcp -m owner --uid-owner 1 -m comment --comment x -j REDIRECT --to-ports 1\nCOMMIT\n";

/// Whether nodes can be made here and this backend works in them. The answer is kept.
///
/// # Errors
/// What is missing.
pub fn supports(backend: BackendId) -> Result<(), Missing> {
    static KNOWN: OnceLock<Mutex<BTreeMap<BackendId, Result<(), Missing>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(backend).or_insert_with(|| probe(backend)).clone()
}

fn probe(backend: BackendId) -> Result<(), Missing> {
    node::support().map_err(|missing| Missing(missing.to_string()))?;
    let flavour = match backend {
        BackendId::Ebpf => {
            let refused = |error| Missing(format!("{backend} does not work here: {error}"));
            return ebpf::kernel::try_to_load().map_err(refused);
        }
        BackendId::IptablesNft => "nft",
        BackendId::IptablesLegacy => "legacy",
    };
    let failed = |error: &dyn std::fmt::Display| Missing(format!("{backend} does not work here: {error}"));
    let node = Node::start(NodeSpec::new("probe")).map_err(|error| failed(&error))?;
    for family in ["iptables", "ip6tables"] {
        let restore = Program::new(&format!("{family}-{flavour}-restore")).arg("--noflush").stdin(PROBE);
        restore.run(&node).and_then(crate::node::Finished::checked).map_err(|error| failed(&error))?;
    }
    Ok(())
}
