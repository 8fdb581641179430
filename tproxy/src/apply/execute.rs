//! Performs one change.
//!
//! Must never decide whether a change is right, and never swallow an error.

use super::address;
use super::change::Change;
use super::patience::Patience;
use super::stored::{self, StoreError};
use crate::iptables::{Flavour, Tool};
use crate::process::{self, ProcessError};

/// A change that was not performed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A program failed; of the tables that it was given, none or some are changed.
    #[error("{error}{}", tried(*.tries))]
    Restore {
        /// How it failed the last time.
        error: ProcessError,
        /// How often it was tried.
        tries: u32,
    },
    /// Somebody asked to end.
    #[error("ended by {0}")]
    Interrupted(&'static str),
    /// The kernel refused an address.
    #[error("cannot {change}: {error}")]
    Address {
        /// The change, in words.
        change: String,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// A file was not replaced.
    #[error("cannot {change}: {error}")]
    Stored {
        /// The change, in words.
        change: String,
        /// Why.
        error: StoreError,
    },
}

fn tried(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}

/// Performs `change` in the calling thread's network namespace.
///
/// # Errors
/// What the program or the kernel refused.
pub(super) fn perform(change: &Change, patience: &Patience) -> Result<(), ExecuteError> {
    let refused = |error| ExecuteError::Address { change: change.to_string(), error };
    match change {
        Change::Restore { tool, forward, .. } => restore(tool, forward, patience),
        Change::AddAddress(address) => address::add(address).map_err(refused),
        Change::RemoveAddress(address) => address::remove(address).map_err(refused),
        Change::Store(file) => {
            stored::store(file).map_err(|error| ExecuteError::Stored { change: change.to_string(), error })
        }
    }
}

/// What iptables-restore ends with when it does not understand its input (PARAMETER_PROBLEM of xtables.h).
const NOT_UNDERSTOOD: i32 = 2;

fn restore(tool: &Tool, text: &str, patience: &Patience) -> Result<(), ExecuteError> {
    let arguments = arguments(tool, patience);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for next in 2.. {
        let error = match process::run(&tool.restore, &arguments, text, patience.left()) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let pause = patience.pause_before(next).filter(|_| error.exit_code() != Some(NOT_UNDERSTOOD));
        match pause {
            Some(pause) => std::thread::sleep(pause),
            None => return Err(ExecuteError::Restore { error, tries: next - 1 }),
        }
    }
    Ok(())
}

/// nft has no lock. Legacy waits without end where no number is given, and older releases do not wait at all.
fn arguments(tool: &Tool, patience: &Patience) -> Vec<String> {
    let mut arguments = vec!["--noflush".to_owned()];
    if tool.flavour == Flavour::Legacy {
        let loading = &patience.loading;
        let options = [("--wait", loading.wait), ("--wait-interval", loading.wait_interval)];
        let given = options.into_iter().filter(|(_, number)| *number > 0);
        arguments.extend(given.map(|(option, number)| format!("{option}={number}")));
    }
    arguments
}
