//! Finds the iptables programs of this host and reads the rules that they show.
//!
//! Must never create a table by looking for one: tables are read only where the kernel has some.

mod candidates;
mod programs;

use std::path::{Path, PathBuf};

use super::{HostError, nftables};
use crate::family::IpFamily;
use crate::iptables::save::{self, SaveError, SavedTable};
use crate::iptables::{Flavour, Tool};
use crate::process::{self, ProcessError};

pub use candidates::{Candidates, Tools, candidates};
pub(super) use programs::look_up;
pub use programs::{found, is_executable};

/// Why the rules cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no iptables, of this flavour or at all.
    #[error(
        "no iptables{} was found in PATH or {places}: install the package iptables, or name the programs with \
         --iptables-executables",
        of_flavour(*.0),
        places = programs::DIRECTORIES.join(", ")
    )]
    NotFound(Option<Flavour>),
    /// Programs are there, and none can see or load rules.
    #[error(
        "iptables-{} does not work here: {words}; let the kernel have the modules that it needs, or install programs \
         of the other flavour", tool.flavour
    )]
    Unusable {
        /// The programs.
        tool: Tool,
        /// What they say.
        words: String,
    },
    /// An explicit program is not there.
    #[error("{} is not a program that can be run", .0.display())]
    NotExecutable(PathBuf),
    /// An earlier installation has rules of a kind for which there are no programs any more.
    #[error(
        "{} rules of the {flavour} flavour were installed here, and there are no programs any more to see them: \
         install the package iptables again", family.title()
    )]
    Blind {
        /// Of which family.
        family: IpFamily,
        /// Of which flavour.
        flavour: Flavour,
    },
    /// An explicit program is of no known flavour.
    #[error("{} does not say that it is iptables: `{said}`", program.display())]
    NotIptables {
        /// The program.
        program: PathBuf,
        /// First line of its `--version`.
        said: String,
    },
    /// Explicit programs do not belong together.
    #[error("{} is the {found} flavour, and {expected} is asked for or used beside it", program.display())]
    MixedFlavours {
        /// The program.
        program: PathBuf,
        /// Its flavour.
        found: Flavour,
        /// The flavour asked for, or that of the first one.
        expected: Flavour,
    },
    /// A program did not work.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A program printed what is no list of rules.
    #[error("{program}: {error}")]
    Output {
        /// The program.
        program: PathBuf,
        /// What is wrong.
        error: SaveError,
    },
    /// A fact of the host could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
}

fn of_flavour(flavour: Option<Flavour>) -> String {
    flavour.map(|flavour| format!(" of the {flavour} flavour")).unwrap_or_default()
}

/// All that `tool` shows, ours and others', table by table, with counters.
///
/// # Errors
/// The program fails, or prints what cannot be read.
pub fn read_all(tool: &Tool) -> Result<Vec<SavedTable>, ToolError> {
    let may_have_rules = match tool.flavour {
        Flavour::Legacy => legacy_tables(tool.family)?,
        // Where the kernel does not say, the program does, or says why not.
        Flavour::Nft => nftables::has_rules(tool.family).unwrap_or(true),
    };
    if !may_have_rules {
        return Ok(Vec::new());
    }
    let text = process::run(&tool.save, &["-c"], "", process::READING)?.stdout;
    save::parse(&text).map_err(|error| ToolError::Output { program: tool.save.clone(), error })
}

/// Whether the kernel has legacy tables of a family in this network namespace, as far as this process may know. Asking
/// creates none.
#[must_use]
pub fn has_legacy_tables(family: IpFamily) -> bool {
    legacy_tables(family).unwrap_or(false)
}

/// The same. The file is not for everybody: nor for root of a user namespace that had none when the network was made.
fn legacy_tables(family: IpFamily) -> Result<bool, HostError> {
    let file = match family {
        IpFamily::V4 => "/proc/thread-self/net/ip_tables_names",
        IpFamily::V6 => "/proc/thread-self/net/ip6_tables_names",
    };
    match std::fs::read_to_string(file) {
        Ok(names) => Ok(!names.trim().is_empty()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(HostError::Read { path: file.to_owned(), error }),
    }
}

/// Whether the kernel speaks a family at all.
#[must_use]
pub fn has_family(family: IpFamily) -> bool {
    family == IpFamily::V4 || Path::new("/proc/sys/net/ipv6").exists()
}
