//! What every way of redirecting traffic can do: say whether it works here, see what is installed, and lead from there
//! to a plan or to nothing.
//!
//! A new backend is one implementation of [`Backend`]. Must never change the system: changes are carried out by `apply`.

pub mod ebpf;
pub mod iptables;

use std::fmt;

use crate::apply::change::Change;
use crate::apply::record::{Before, Record};
use crate::plan::Plan;

/// Which backend, and which flavour of it. The ids stand in flags, files, reports and test names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendId {
    /// iptables over nf_tables.
    IptablesNft,
    /// iptables over x_tables.
    IptablesLegacy,
    /// eBPF programs.
    Ebpf,
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Ebpf => "ebpf",
        })
    }
}

/// What a host can do with a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Why this backend cannot capture IPv6 here; `None` when it can.
    pub without_ipv6: Option<String>,
}

/// A way of redirecting traffic.
pub trait Backend {
    /// What it sees of earlier installations, ours or Kuma's, whole or damaged.
    type Installed;
    /// Why it cannot look.
    type Error: std::error::Error;
    /// A part of the plan that it cannot honour.
    type Unsupported: std::error::Error;

    /// Its id.
    fn id(&self) -> BackendId;

    /// What this host can do with it.
    fn probe(&self) -> Capabilities;

    /// What is installed, helped by the journal's record where there is one.
    ///
    /// # Errors
    /// The system cannot be read.
    fn observe(&self, record: Option<Record>) -> Result<Self::Installed, Self::Error>;

    /// The changes that lead from `installed` to `plan`; none when it is installed already.
    ///
    /// # Errors
    /// The plan needs what this backend cannot do; nothing has been changed.
    fn render(&self, plan: &Plan, installed: &Self::Installed) -> Result<Vec<Change>, Self::Unsupported>;

    /// The changes that remove all of `installed`.
    fn remove(&self, installed: &Self::Installed) -> Vec<Change>;

    /// The changes that lead back to what was there `before` the installation that `record` is about.
    fn back(&self, before: &Before, record: &Record, installed: &Self::Installed) -> Vec<Change>;
}
