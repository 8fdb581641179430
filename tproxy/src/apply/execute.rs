//! Performs one change.
//!
//! Must never decide whether a change is right, and never swallow an error.

use super::address;
use super::change::Change;
use crate::iptables::Flavour;
use crate::process::{self, ProcessError};

/// A change that was not performed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A program failed; of the tables that it was given, none or some are changed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The kernel refused an address.
    #[error("cannot {change}: {error}")]
    Address {
        /// The change, in words.
        change: String,
        /// What the kernel said.
        error: std::io::Error,
    },
}

/// Seconds that a legacy restore waits for the xtables lock (Kuma's default of `--wait`).
const XTABLES_WAIT: &str = "--wait=5";

/// Performs `change` in the calling thread's network namespace.
///
/// # Errors
/// What the program or the kernel refused.
pub(super) fn perform(change: &Change) -> Result<(), ExecuteError> {
    let refused = |error| ExecuteError::Address { change: change.to_string(), error };
    match change {
        Change::Restore { tool, forward, .. } => {
            // nft has no lock; legacy would wait for ever without a number.
            let arguments: &[&str] = match tool.flavour {
                Flavour::Nft => &["--noflush"],
                Flavour::Legacy => &["--noflush", XTABLES_WAIT],
            };
            process::run(&tool.restore, arguments, forward)?;
            Ok(())
        }
        Change::AddAddress(address) => address::add(address).map_err(refused),
        Change::RemoveAddress(address) => address::remove(address).map_err(refused),
    }
}
