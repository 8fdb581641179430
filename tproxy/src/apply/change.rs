//! Changes as data: each is one step on the system and carries what undoes it.
//!
//! Pure. Must never perform anything: that is `execute`. The serialised form is the journal's; a new kind of change is
//! a new variant, old ones never change their names.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ebpf::render::Capture;
use crate::iptables::Tool;

/// One reversible step on the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Loads a restore text, without flushing anything that it does not name.
    Restore {
        /// The programs that do it.
        tool: Tool,
        /// What to load.
        forward: String,
        /// What takes it back.
        backward: String,
    },
    /// Adds an address.
    AddAddress(LoopbackAddress),
    /// Removes an address.
    RemoveAddress(LoopbackAddress),
    /// Replaces a file of another program's configuration in which rules of ours are kept.
    Store(StoredFile),
    /// Gives a network namespace other contents of the maps of eBPF programs, which are attached where they are not, and
    /// removed with the last of them.
    Capture(Capture),
}

/// A file before and after a change; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// The file itself, no symbolic link to it.
    pub path: PathBuf,
    /// Its text before. Another text than this is not replaced.
    pub before: Option<String>,
    /// Its text after.
    pub after: Option<String>,
}

/// An address on the loopback interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopbackAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl Change {
    /// The step that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self {
            Self::Restore { tool, forward, backward } => {
                Self::Restore { tool: tool.clone(), forward: backward.clone(), backward: forward.clone() }
            }
            Self::AddAddress(address) => Self::RemoveAddress(address.clone()),
            Self::RemoveAddress(address) => Self::AddAddress(address.clone()),
            Self::Capture(Capture { place, netns, before, after }) => Self::Capture(Capture {
                place: place.clone(),
                netns: *netns,
                before: after.clone(),
                after: before.clone(),
            }),
            Self::Store(StoredFile { path, before, after }) => {
                Self::Store(StoredFile { path: path.clone(), before: after.clone(), after: before.clone() })
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore { tool, .. } => {
                write!(f, "load {} rules with {}", tool.family.title(), tool.restore.display())
            }
            Self::AddAddress(address) => write!(f, "add {address}"),
            Self::RemoveAddress(address) => write!(f, "remove {address}"),
            Self::Store(StoredFile { path, after: Some(_), .. }) => write!(f, "write {}", path.display()),
            Self::Store(StoredFile { path, after: None, .. }) => write!(f, "remove {}", path.display()),
            Self::Capture(capture) => capture.fmt(f),
        }
    }
}

impl fmt::Display for LoopbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address {}/{} on {}", self.address, self.prefix, self.interface)
    }
}
