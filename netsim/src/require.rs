//! What a test needs from the system: met, or skipped with the reason, or, where `NETSIM_REQUIRE` demands it, failed.

use std::io::Write;
use std::path::PathBuf;

use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use crate::node;
use crate::run::{Missing, supports, supports_family};

/// The environment variable with the comma-separated names of what must not be skipped, as in `root,iptables-nft`.
pub const VARIABLE: &str = "NETSIM_REQUIRE";

/// Whether a test can run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a test that cannot run must say so"]
pub enum Requirement {
    /// It can.
    Met,
    /// It cannot, and that is accepted.
    Skip(String),
    /// It cannot, and `NETSIM_REQUIRE` says that it must.
    Missing(String),
}

impl Requirement {
    /// For ordinary tests: true when the test can run. Prints the reason of a skip.
    ///
    /// # Panics
    /// When what is missing is required.
    #[expect(clippy::panic, reason = "this is how an ordinary test fails")]
    pub fn met_or_skip(self) -> bool {
        match self {
            Self::Met => true,
            Self::Skip(reason) => {
                // Not by `eprintln!`, which the test runner keeps to itself when the test passes.
                let name = std::thread::current().name().unwrap_or("test").to_owned();
                let _ = std::io::stderr().write_all(format!("skipped {name}: {reason}\n").as_bytes());
                false
            }
            Self::Missing(reason) => panic!("{VARIABLE} does not let this be skipped: {reason}"),
        }
    }
}

/// The names that `NETSIM_REQUIRE` may hold.
const NAMES: [&str; 13] = [
    "root",
    "iptables-nft",
    "iptables-legacy",
    "ebpf",
    "source-ports",
    "chromium",
    "tcpdump",
    "firewall-offline-cmd",
    "netem",
    "kernel-log",
    "clients",
    "io-uring",
    "envoy",
];

/// Whether nodes can be made, named `root` in `NETSIM_REQUIRE`.
pub fn nodes() -> Requirement {
    demanded("root", node::support().map_err(|reason| reason.to_string()))
}

/// Whether nodes can be made and the backend works in them, in both families. Without nodes it is `root` that is missing.
pub fn backend(backend: BackendId) -> Requirement {
    working(backend, || supports(backend))
}

/// Whether nodes can be made and the backend works in them in this family.
pub fn variant(backend: BackendId, family: IpFamily) -> Requirement {
    working(backend, || supports_family(backend, family))
}

fn working(backend: BackendId, tried: impl FnOnce() -> Result<(), Missing>) -> Requirement {
    match nodes() {
        Requirement::Met => demanded(&backend.to_string(), tried().map_err(|missing| missing.to_string())),
        // Whoever demands the backend demands what it needs.
        Requirement::Skip(reason) => demanded(&backend.to_string(), Err(reason)),
        missing => missing,
    }
}

/// Whether the kernel can be asked for a source port (Linux 6.3), named `source-ports` in `NETSIM_REQUIRE`.
pub fn source_ports() -> Requirement {
    let asked = crate::actor::WantedPort::is_understood();
    let too_old = || "the kernel does not know IP_LOCAL_PORT_RANGE (Linux 6.3)".to_owned();
    let known = asked.map_err(|error| error.to_string());
    demanded("source-ports", known.and_then(|known| if known { Ok(()) } else { Err(too_old()) }))
}

/// Whether there is a program of this name, which is also what `NETSIM_REQUIRE` calls it.
pub fn program(name: &str) -> Requirement {
    demanded(name, if is_in_path(name) { Ok(()) } else { Err(format!("there is no `{name}` in PATH")) })
}

/// Whether there is this compiler for the clients that are built, together named `clients` in `NETSIM_REQUIRE`.
pub fn compiler(name: &str) -> Requirement {
    let missing = || format!("there is no `{name}` in PATH: `ci/setup clients` installs it");
    demanded("clients", if is_in_path(name) { Ok(()) } else { Err(missing()) })
}

/// Whether the kernel lets programs use `io_uring`, as tried by the caller; named `io-uring` in `NETSIM_REQUIRE`.
pub fn io_uring(tried: Result<(), String>) -> Requirement {
    demanded("io-uring", tried)
}

/// The Envoy that `NETSIM_ENVOY` names, itself named `envoy` in `NETSIM_REQUIRE`.
#[derive(Debug)]
pub struct Envoy {
    /// Whether it is there.
    pub requirement: Requirement,
    /// Its path.
    pub path: PathBuf,
}

/// Whether `NETSIM_ENVOY` names a file.
pub fn envoy() -> Envoy {
    let path = PathBuf::from(std::env::var_os("NETSIM_ENVOY").unwrap_or_default());
    let missing = || "NETSIM_ENVOY names no Envoy: `ci/envoy` fetches one".to_owned();
    let requirement = demanded("envoy", if path.is_file() { Ok(()) } else { Err(missing()) });
    Envoy { requirement, path }
}

fn is_in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Lets a run go on without what has this name in `NETSIM_REQUIRE`, for a `reason`.
///
/// # Errors
/// It is demanded there, or something is that has no such name; said in words.
pub(crate) fn go_without(name: &str, reason: &str) -> Result<(), String> {
    match demanded(name, Err(reason.to_owned())) {
        Requirement::Missing(reason) => Err(format!("{VARIABLE} does not let a run go on without {reason}")),
        Requirement::Met | Requirement::Skip(_) => Ok(()),
    }
}

fn demanded(name: &str, outcome: Result<(), String>) -> Requirement {
    let required = std::env::var(VARIABLE).unwrap_or_default();
    judge(name, outcome, &required)
}

fn judge(name: &str, outcome: Result<(), String>, required: &str) -> Requirement {
    let mut demanded = required.split(',').map(str::trim).filter(|item| !item.is_empty());
    if let Some(unknown) = demanded.find(|item| !NAMES.contains(item)) {
        return Requirement::Missing(format!("{VARIABLE}: `{unknown}` is not one of {}", NAMES.join(", ")));
    }
    match outcome {
        Ok(()) => Requirement::Met,
        Err(reason) if required.split(',').any(|item| item.trim() == name) => {
            Requirement::Missing(format!("{name}: {reason}"))
        }
        Err(reason) => Requirement::Skip(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_required_skip_is_a_failure() {
        let missing = || Err("not root".to_owned());
        assert_eq!(judge("root", missing(), "iptables-nft"), Requirement::Skip("not root".to_owned()));
        assert_eq!(
            judge("root", missing(), "iptables-nft, root"),
            Requirement::Missing("root: not root".to_owned())
        );
        assert_eq!(judge("root", Ok(()), "root"), Requirement::Met);
        assert!(
            matches!(judge("root", Ok(()), "rooot"), Requirement::Missing(reason) if reason.contains("`rooot`"))
        );
    }
}
