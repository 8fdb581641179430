//! Whether a backend can be run here: tried once in a node of its own, never guessed from versions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use tproxy::backend::BackendId;
use tproxy::ebpf;
use tproxy::family::IpFamily;

use crate::node::{self, Finished, Node, NodeSpec, ProcessError, Program};

/// Why a backend cannot be run here, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(String);

/// Loads one rule of each kind that an installation needs.
const PROBE: &str =
    "*nat\n-A OUTPUT -p tcp -m owner --uid-owner 1 -m comment --comment x -j REDIRECT --to-ports 1\nCOMMIT\n";

/// Whether nodes can be made here and this backend works in them, in every family.
///
/// # Errors
/// What is missing.
pub fn supports(backend: BackendId) -> Result<(), Missing> {
    IpFamily::ALL.into_iter().try_for_each(|family| supports_family(backend, family))
}

/// Whether nodes can be made here and this backend works in them in one family. The answer is kept.
///
/// # Errors
/// What is missing.
pub fn supports_family(backend: BackendId, family: IpFamily) -> Result<(), Missing> {
    type Answers = BTreeMap<(BackendId, IpFamily), Result<(), Missing>>;
    static KNOWN: OnceLock<Mutex<Answers>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry((backend, family)).or_insert_with(|| probe(backend, family)).clone()
}

/// Whether the kernel has this family at all: IPv6 can be switched off when it boots.
pub(super) fn kernel_has(family: IpFamily) -> bool {
    family == IpFamily::V4 || Path::new("/proc/sys/net/ipv6").exists()
}

fn probe(backend: BackendId, family: IpFamily) -> Result<(), Missing> {
    node::support().map_err(|missing| Missing(missing.to_string()))?;
    let failed = |error: &dyn std::fmt::Display| {
        Missing(format!("{backend} does not work here for {family}: {error}"))
    };
    if !kernel_has(family) {
        return Err(failed(&"the kernel has no IPv6"));
    }
    let flavour = match backend {
        BackendId::Ebpf => {
            let refused = |error| Missing(format!("{backend} does not work here: {error}"));
            return ebpf::kernel::try_to_load(true).map_err(refused);
        }
        BackendId::IptablesNft => "nft",
        BackendId::IptablesLegacy => "legacy",
    };
    let program = match family {
        IpFamily::V4 => "iptables",
        IpFamily::V6 => "ip6tables",
    };
    let node = Node::start(NodeSpec::new("probe")).map_err(|error| failed(&error))?;
    let restore = Program::new(&format!("{program}-{flavour}-restore")).arg("--noflush").stdin(PROBE);
    match restore.run(&node).and_then(Finished::checked) {
        Ok(_) => Ok(()),
        // Where it was looked for helps nobody: a node that probes has nothing of its own.
        Err(ProcessError::Missing { program, .. }) => Err(failed(&format!("there is no {program}"))),
        Err(error) => Err(failed(&error)),
    }
}
