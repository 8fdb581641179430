//! Performs one change.
//!
//! Must never decide whether a change is right, and never swallow an error.

use super::address;
use super::change::Change;
use super::interruption::Rest;
use super::partial::{self, Way};
use super::patience::Patience;
use super::stored::{self, StoreError};
use crate::ebpf::kernel::{self, EbpfError};
use crate::host::iptables::ToolError;
use crate::host::xtables_lock::{self, LockHolder};
use crate::iptables::{Flavour, Tool};
use crate::process::{self, ProcessError};

/// A change that was not performed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A program failed; of the tables that it was given, none or some are changed.
    #[error("{error}{}{}", tried(*.tries), held(.holder.as_deref()))]
    Restore {
        /// How it failed the last time.
        error: ProcessError,
        /// How often it was tried.
        tries: u32,
        /// Who has the lock that it did not get.
        holder: Option<Box<LockHolder>>,
    },
    /// Nobody knows what a program that failed has loaded.
    #[error("what is loaded cannot be seen: {0}")]
    Unseen(ToolError),
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
    /// The kernel refused programs, maps or links.
    #[error("cannot {change}: {error}")]
    Capture {
        /// The change, in words.
        change: String,
        /// What the kernel said.
        error: EbpfError,
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

fn held(holder: Option<&LockHolder>) -> String {
    holder.map(|holder| format!("; {holder}")).unwrap_or_default()
}

/// What a change that failed left behind.
#[derive(Debug)]
pub(super) struct Failure {
    /// Why it failed.
    pub cause: ExecuteError,
    /// The part of it that was performed.
    pub done: Option<Change>,
    /// Why that part is not known.
    pub unseen: Option<ExecuteError>,
}

impl Failure {
    /// Nothing of it was performed.
    fn whole(cause: ExecuteError) -> Box<Self> {
        Box::new(Self { cause, done: None, unseen: None })
    }
}

/// Performs `change`, a step on `way`, in the calling thread's network namespace, with `rest` between tries, and returns
/// how often it was tried.
///
/// # Errors
/// What the program or the kernel refused.
pub(super) fn perform(
    change: &Change,
    way: Way<'_>,
    patience: &Patience,
    rest: Rest<'_>,
) -> Result<u32, Box<Failure>> {
    let refused = |error| Failure::whole(ExecuteError::Address { change: change.to_string(), error });
    match change {
        Change::Restore { tool, forward, backward } => {
            restore(tool, (forward, backward), way, patience, rest)
        }
        Change::AddAddress(address) => address::add_and_wait(address).map(|()| 1).map_err(refused),
        Change::RemoveAddress(address) => address::remove(address).map(|()| 1).map_err(refused),
        Change::Capture(capture) => kernel::carry_out(capture)
            .map(|()| 1)
            .map_err(|error| Failure::whole(ExecuteError::Capture { change: change.to_string(), error })),
        Change::Store(file) => stored::store(file)
            .map(|()| 1)
            .map_err(|error| Failure::whole(ExecuteError::Stored { change: change.to_string(), error })),
    }
}

/// What iptables-restore ends with when something that its input names is not there, or the kernel does not take a rule
/// (OTHER_PROBLEM of xtables.h).
const NOT_THERE: i32 = 1;
/// What it ends with when it does not understand its input (PARAMETER_PROBLEM of xtables.h).
const NOT_UNDERSTOOD: i32 = 2;
/// What it ends with when it does not get a lock or memory (RESOURCE_PROBLEM of xtables.h).
const NO_RESOURCE: i32 = 4;

fn restore(
    tool: &Tool,
    texts: (&str, &str),
    way: Way<'_>,
    patience: &Patience,
    rest: Rest<'_>,
) -> Result<u32, Box<Failure>> {
    let arguments = arguments(tool, patience);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut left = texts.0.to_owned();
    let mut next = 2;
    loop {
        let error = match process::run(&tool.restore, &arguments, &left, patience.left()) {
            Ok(_) => return Ok(next - 1),
            Err(error) => error,
        };
        let is_final = matches!(error.exit_code(), Some(NOT_THERE | NOT_UNDERSTOOD));
        let pause = patience.pause_before(next).filter(|_| !is_final);
        let cause = ExecuteError::Restore { holder: lock_holder(tool, &error), error, tries: next - 1 };
        // What is loaded must not be loaded again.
        let seen = match partial::look(tool, texts, way) {
            Ok(seen) if seen.left.is_empty() => return Ok(next),
            Ok(seen) => seen,
            Err(unseen) => {
                let unseen = Some(ExecuteError::Unseen(unseen));
                return Err(Box::new(Failure { cause, done: None, unseen }));
            }
        };
        // Whoever asks to end is not kept waiting for another try.
        if !pause.is_some_and(|pause| rest.is_whole(pause)) {
            return Err(Box::new(Failure { cause, done: seen.done, unseen: None }));
        }
        left = seen.left;
        next += 1;
    }
}

/// Who keeps a program of the legacy flavour from its work.
fn lock_holder(tool: &Tool, error: &ProcessError) -> Option<Box<LockHolder>> {
    let may_be_locked = tool.flavour == Flavour::Legacy && error.exit_code() == Some(NO_RESOURCE);
    may_be_locked.then(xtables_lock::holder).flatten().map(Box::new)
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
