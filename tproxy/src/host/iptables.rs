//! Finds the iptables programs of this host and reads the rules that they show.
//!
//! Must never create a table by looking for one: legacy tables are read only where the kernel lists them.

use std::path::{Path, PathBuf};

use super::HostError;
use crate::config::{AbsolutePath, BackendChoice, Config, ProgramSet};
use crate::family::IpFamily;
use crate::iptables::save::{self, SaveError, SavedTable};
use crate::iptables::{Flavour, Tool};
use crate::process::{self, ProcessError};

/// Where programs are looked for besides PATH (Kuma behaviour).
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Why the rules cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no iptables of this flavour.
    #[error(
        "no iptables of the {0} flavour was found in PATH or {places}: install the package iptables, or name the \
         programs with --iptables-executables",
        places = DIRECTORIES.join(", ")
    )]
    NotFound(Flavour),
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

/// The programs to install with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The flavour chosen.
    pub flavour: Flavour,
    /// IPv4's programs.
    pub ipv4: Tool,
    /// IPv6's programs, where the host has them.
    pub ipv6: Option<Tool>,
}

impl Tools {
    /// The programs that a host with this flavour has, by name: to write rules for, not to be run.
    #[must_use]
    pub fn assumed(flavour: Flavour) -> Self {
        let tool = |family| {
            let program = |suffix: &str| PathBuf::from(format!("{}-{flavour}{suffix}", base(family)));
            Tool { flavour, family, save: program("-save"), restore: program("-restore") }
        };
        Self { flavour, ipv4: tool(IpFamily::V4), ipv6: Some(tool(IpFamily::V6)) }
    }
}

/// The programs that the user named, else those of the flavour asked for; over nf_tables where none was.
///
/// # Errors
/// None are there, or those named do not belong together.
pub fn find(config: &Config) -> Result<Tools, ToolError> {
    let explicit = &config.iptables_executables;
    let asked = match config.backend {
        BackendChoice::IptablesLegacy => Some(Flavour::Legacy),
        BackendChoice::IptablesNft => Some(Flavour::Nft),
        BackendChoice::Auto | BackendChoice::Ebpf => None,
    };
    let ipv4 = match named(&explicit.ipv4, IpFamily::V4)? {
        Some(tool) => agreeing(tool, asked)?,
        None => {
            let flavour = asked.unwrap_or(Flavour::Nft);
            found(flavour, IpFamily::V4).ok_or(ToolError::NotFound(flavour))?
        }
    };
    let flavour = ipv4.flavour;
    let ipv6 = match named(&explicit.ipv6, IpFamily::V6)? {
        Some(tool) => Some(agreeing(tool, Some(flavour))?),
        None => found(flavour, IpFamily::V6),
    };
    Ok(Tools { flavour, ipv4, ipv6 })
}

fn agreeing(tool: Tool, expected: Option<Flavour>) -> Result<Tool, ToolError> {
    match expected.filter(|expected| *expected != tool.flavour) {
        Some(expected) => {
            Err(ToolError::MixedFlavours { program: tool.restore, found: tool.flavour, expected })
        }
        None => Ok(tool),
    }
}

/// The programs of `flavour` for `family` on this host.
#[must_use]
pub fn found(flavour: Flavour, family: IpFamily) -> Option<Tool> {
    let base = base(family);
    let suffixed = |suffix: &str| look_up(&format!("{base}-{flavour}{suffix}"));
    if let (Some(save), Some(restore)) = (suffixed("-save"), suffixed("-restore")) {
        return Some(Tool { flavour, family, save, restore });
    }
    let plain = |suffix: &str| look_up(&format!("{base}{suffix}"));
    let (save, restore) = (plain("-save")?, plain("-restore")?);
    let right = |program: &Path| flavour_of(program).is_ok_and(|found| found == flavour);
    (right(&save) && right(&restore)).then_some(Tool { flavour, family, save, restore })
}

fn base(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "iptables",
        IpFamily::V6 => "ip6tables",
    }
}

/// A program by name, from PATH or where administrators' programs are.
pub(super) fn look_up(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .chain(DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| is_executable(program))
}

/// Whether a file is there and may be run.
#[must_use]
pub fn is_executable(program: &Path) -> bool {
    program.is_file() && nix::unistd::access(program, nix::unistd::AccessFlags::X_OK).is_ok()
}

fn named(programs: &ProgramSet, family: IpFamily) -> Result<Option<Tool>, ToolError> {
    let ProgramSet { base: Some(base), save: Some(save), restore: Some(restore) } = programs else {
        return Ok(None);
    };
    let [base, save, restore] = [base, save, restore].map(AbsolutePath::as_path);
    if let Some(program) = [base, save, restore].into_iter().find(|program| !is_executable(program)) {
        return Err(ToolError::NotExecutable(program.to_owned()));
    }
    let flavour = flavour_of(base)?;
    for program in [save, restore] {
        let found = flavour_of(program)?;
        if found != flavour {
            return Err(ToolError::MixedFlavours { program: program.to_owned(), found, expected: flavour });
        }
    }
    Ok(Some(Tool { flavour, family, save: save.to_owned(), restore: restore.to_owned() }))
}

/// `iptables-save v1.8.9 (nf_tables)`; releases before 1.8 name no flavour and are legacy.
fn flavour_of(program: &Path) -> Result<Flavour, ToolError> {
    let said = process::run(program, &["--version"], "", process::READING)?.stdout;
    let line = said.lines().next().unwrap_or_default();
    let is_iptables = line.starts_with("iptables") || line.starts_with("ip6tables");
    match line.rsplit_once('(') {
        Some((_, "nf_tables)")) if is_iptables => Ok(Flavour::Nft),
        Some((_, "legacy)")) if is_iptables => Ok(Flavour::Legacy),
        None if is_iptables => Ok(Flavour::Legacy),
        _ => Err(ToolError::NotIptables { program: program.to_owned(), said: line.to_owned() }),
    }
}

/// All that `tool` shows, ours and others', table by table, with counters.
///
/// # Errors
/// The program fails, or prints what cannot be read.
pub fn read_all(tool: &Tool) -> Result<Vec<SavedTable>, ToolError> {
    if tool.flavour == Flavour::Legacy && !has_legacy_tables(tool.family) {
        return Ok(Vec::new());
    }
    let text = process::run(&tool.save, &["-c"], "", process::READING)?.stdout;
    save::parse(&text).map_err(|error| ToolError::Output { program: tool.save.clone(), error })
}

/// Whether the kernel has legacy tables of a family in this network namespace. Asking creates none.
#[must_use]
pub fn has_legacy_tables(family: IpFamily) -> bool {
    let file = match family {
        IpFamily::V4 => "/proc/thread-self/net/ip_tables_names",
        IpFamily::V6 => "/proc/thread-self/net/ip6_tables_names",
    };
    std::fs::read_to_string(file).is_ok_and(|names| !names.trim().is_empty())
}

/// Whether the kernel speaks a family at all.
#[must_use]
pub fn has_family(family: IpFamily) -> bool {
    family == IpFamily::V4 || Path::new("/proc/sys/net/ipv6").exists()
}
