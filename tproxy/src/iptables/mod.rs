//! The iptables backend's pure half: what rules a plan means, what rules `iptables-save` shows, and the restore text
//! that leads from one to the other.
//!
//! Pure: texts and data in, texts and data out. Must never run a program or look at the system.

pub mod choice;
pub mod feature;
pub mod hooks;
mod kuma;
mod printed;
pub mod redirects;
pub mod render;
pub mod rule;
mod rules;
pub mod save;
pub mod size;
pub mod stamp;
pub mod state;
mod transition;
pub mod wanted;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::family::IpFamily;

/// Every chain of ours begins so (Kuma's prefix).
pub const CHAIN_PREFIX: &str = "KUMA_MESH_";
/// Every comment of ours begins so (Kuma's prefix).
pub const COMMENT_PREFIX: &str = "kuma/mesh/transparent/proxy/";

/// The conntrack zone of captured queries and their answers. What goes to a name server stays in the usual zone, so that
/// its answers need no rule, and forwarded queries of others are not touched.
pub const CAPTURED_ZONE: u16 = 2;

/// The two implementations that the name iptables may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// iptables over nf_tables.
    Nft,
    /// iptables over x_tables.
    Legacy,
}

impl Flavour {
    /// The other one of the two.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Nft => Self::Legacy,
            Self::Legacy => Self::Nft,
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        })
    }
}

/// The tables of a restore text of ours, in order: name, and the text that loads this one alone.
pub fn tables_of(text: &str) -> impl Iterator<Item = (&str, &str)> {
    // No rule of ours holds a line break, so that the word stands alone in a line at the end only.
    text.split_inclusive("\nCOMMIT\n").filter_map(|table| {
        let name = table.strip_prefix('*')?.lines().next()?;
        Some((name, table))
    })
}

/// The programs that read and change one family's rules of one flavour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Which rules they see.
    pub flavour: Flavour,
    /// Which family they are for.
    pub family: IpFamily,
    /// Prints all rules.
    pub save: PathBuf,
    /// Loads rules.
    pub restore: PathBuf,
}
