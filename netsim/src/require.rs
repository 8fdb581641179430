//! What a test needs from the system: met, or skipped with the reason, or, where `NETSIM_REQUIRE` demands it, failed.

use std::io::Write;

use crate::node;

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

/// Whether nodes can be made, named `root` in `NETSIM_REQUIRE`.
pub fn nodes() -> Requirement {
    feature("root", node::support().map_err(|reason| reason.to_string()))
}

/// Whether what is called `name` in `NETSIM_REQUIRE` is there, `outcome` being the reason why not.
pub fn feature(name: &str, outcome: Result<(), String>) -> Requirement {
    let required = std::env::var(VARIABLE).unwrap_or_default();
    judge(name, outcome, &required)
}

fn judge(name: &str, outcome: Result<(), String>, required: &str) -> Requirement {
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
        assert_eq!(judge("root", missing(), "ebpf"), Requirement::Skip("not root".to_owned()));
        assert_eq!(judge("root", missing(), "ebpf, root"), Requirement::Missing("root: not root".to_owned()));
        assert_eq!(judge("root", Ok(()), "root"), Requirement::Met);
    }
}
