//! Which flavour of iptables to install with, and why.
//!
//! Rules of two flavours do not know of each other, so that ours belong where those of other programs are. Pure; must
//! never count a rule of ours among those of others: an installation that led to itself would never move.

use std::fmt;

use super::rule::Rule;
use super::save::SavedTable;
use super::{CHAIN_PREFIX, Flavour};

/// The chain of Docker's own name server. It stands where Docker put it, whatever else there is.
const DOCKER: &str = "DOCKER_OUTPUT";
/// The tables whose rules count (Kuma behaviour): a firewall beside them says nothing about who redirects.
const TABLES: [&str; 3] = ["nat", "raw", "mangle"];
/// The chains that the kernel calls.
const BUILTIN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// What other programs have in one flavour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Others {
    /// Rules or chains.
    pub rules: bool,
    /// Docker's chain among them.
    pub docker: bool,
}

/// What was seen of one flavour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether its programs are here and see rules.
    pub usable: bool,
    /// What other programs have there.
    pub others: Others,
    /// Whether an earlier installation is there.
    pub ours: bool,
}

/// The flavour to install with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// It.
    pub flavour: Flavour,
    /// Why it is this one.
    pub reason: Reason,
    /// Whether other programs have rules in the other flavour, too, and nothing tells which counts.
    pub is_doubtful: bool,
}

/// Why a flavour was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The user asked for it.
    Asked,
    /// The user named its programs.
    Named,
    /// There are no programs of the other one that work.
    Only,
    /// Of two flavours with rules it is the one with Docker's chain.
    Docker,
    /// Other programs have their rules there, and none in the other one.
    Others,
    /// An earlier installation is there.
    Installed,
    /// Nothing speaks for the other one.
    Usual,
}

impl Others {
    /// What `tables` hold that tproxy did not write.
    #[must_use]
    pub fn of(tables: &[SavedTable]) -> Self {
        let mut found = Self::default();
        for table in tables.iter().filter(|table| TABLES.contains(&table.name.as_str())) {
            for chain in table.chains.iter().filter(|chain| !chain.name.starts_with(CHAIN_PREFIX)) {
                let is_builtin = BUILTIN.contains(&chain.name.as_str());
                found.rules |= !is_builtin || !chain.rules.iter().all(Rule::is_ours);
                found.docker |= chain.name == DOCKER;
            }
        }
        found
    }
}

/// Chooses by what was seen (Kuma's table, and an earlier installation where that leaves it open); `None` where
/// neither flavour works.
#[must_use]
pub fn choose(nft: Seen, legacy: Seen) -> Option<Choice> {
    use Flavour::{Legacy, Nft};
    let clear = |flavour, reason| Some(Choice { flavour, reason, is_doubtful: false });
    let installed = match (nft.ours, legacy.ours) {
        (false, true) => (Legacy, Reason::Installed),
        (true, false) => (Nft, Reason::Installed),
        _ => (Nft, Reason::Usual),
    };
    match (nft.usable, legacy.usable) {
        (false, false) => return None,
        (true, false) => return clear(Nft, Reason::Only),
        (false, true) => return clear(Legacy, Reason::Only),
        (true, true) => {}
    }
    match (nft.others, legacy.others) {
        (Others { rules: false, .. }, Others { rules: true, .. }) => clear(Legacy, Reason::Others),
        (Others { rules: true, .. }, Others { rules: false, .. }) => clear(Nft, Reason::Others),
        (Others { rules: false, .. }, Others { rules: false, .. }) => clear(installed.0, installed.1),
        (Others { docker: false, .. }, Others { docker: true, .. }) => clear(Legacy, Reason::Docker),
        (Others { docker: true, .. }, Others { docker: false, .. }) => clear(Nft, Reason::Docker),
        _ => Some(Choice { flavour: installed.0, reason: installed.1, is_doubtful: true }),
    }
}

impl Choice {
    /// Whether the user left it to tproxy.
    #[must_use]
    pub fn is_free(&self) -> bool {
        !matches!(self.reason, Reason::Asked | Reason::Named)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flavour, other) = (self.flavour, self.flavour.other());
        write!(f, "iptables-{flavour} is used: ")?;
        match self.reason {
            _ if self.is_doubtful => {
                write!(f, "other programs have rules there and in iptables-{other}, too")
            }
            Reason::Asked => write!(f, "--backend asks for it"),
            Reason::Named => write!(f, "--iptables-executables names its programs"),
            Reason::Only => write!(f, "there are no programs of iptables-{other} that work"),
            Reason::Docker => write!(f, "Docker's chain {DOCKER} is there"),
            Reason::Others => write!(f, "other programs have rules there, and none in iptables-{other}"),
            Reason::Installed => write!(f, "an earlier installation is there"),
            Reason::Usual => write!(f, "no rules of other programs speak for iptables-{other}"),
        }
    }
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
