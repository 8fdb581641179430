//! A record of the journal: what tproxy did in one network namespace, as data.
//!
//! Pure. Must never read or write the journal's file. A field's meaning never changes without a new format.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::{Change, LoopbackAddress};
use crate::ebpf::render::Captured;
use crate::family::IpFamily;
use crate::firewalld::DirectFile;
use crate::iptables::Tool;
use crate::iptables::render::{Installed, InstalledRules};

/// Version of the record's format. A record of another format is passed over.
pub(super) const FORMAT: u32 = 1;

/// What tproxy did in one network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub(super) format: u32,
    /// Boot that the record belongs to.
    pub(super) boot_id: String,
    /// Version of tproxy that wrote it.
    pub version: String,
    /// How far the run came.
    pub phase: Phase,
    /// Backend id.
    pub backend: String,
    /// Digest of the policy, 16 hexadecimal digits.
    pub digest: String,
    /// The settings that the user chose, by key; empty in records of older versions.
    #[serde(default)]
    pub configuration: serde_json::Value,
    /// All rules of the installation, each with the name of its line, whether they are loaded with comments or
    /// without; each jump with its side of foreign rules. None in records of older versions.
    #[serde(default)]
    pub rules: Vec<InstalledRules>,
    /// Whether the rules are loaded with comments.
    #[serde(default)]
    pub comments: bool,
    /// The changes of the run, each with its inverse.
    pub changes: Vec<Change>,
    /// Addresses that are there because of us, by this run or an earlier one.
    pub addresses: Vec<LoopbackAddress>,
    /// The programs that loaded rules, in this run or an earlier one: where rules of ours may be.
    pub tools: Vec<Tool>,
    /// Whether rules of this namespace may be in firewalld's configuration; false in records of older versions.
    #[serde(default)]
    pub stored: bool,
    /// Until when somebody has to confirm, and what comes back otherwise; `None` where nobody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
}

/// An installation that somebody has to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// In milliseconds since the boot, on the clock that goes on while the system sleeps (`CLOCK_BOOTTIME`).
    deadline: u64,
    /// What comes back.
    pub before: Before,
}

/// The state before an installation, as far as it is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The rules, as they were seen.
    pub rules: Vec<InstalledRules>,
    /// What eBPF programs captured; nothing in records of older versions, which refused to replace such an installation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captured: Vec<Captured>,
    /// Whether ::6 was on loopback because of us.
    pub owned_address: bool,
    /// The text of firewalld's direct configuration, where it counted.
    #[serde(default)]
    pub stored: Option<String>,
    /// What the journal said.
    pub record: Option<Box<Record>>,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It began to apply its changes; a record in this phase means that it was interrupted.
    Applying,
    /// All changes are applied.
    Installed,
}

/// The run that a record is about.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The kernel's id of this boot.
    pub boot_id: &'a str,
    /// Backend id.
    pub backend: &'a str,
    /// Digest of the policy.
    pub digest: u64,
    /// The settings that the user chose, by key.
    pub configuration: serde_json::Value,
    /// All rules that are there afterwards, as a record holds them.
    pub rules: Vec<InstalledRules>,
    /// Whether they are loaded with comments.
    pub comments: bool,
    /// What is about to be changed.
    pub changes: &'a [Change],
}

impl Record {
    /// A record of a run that is about to apply its changes over what `before` recorded.
    #[must_use]
    pub fn applying(run: Run<'_>, before: Option<&Self>) -> Self {
        let mut addresses = before.map(|record| record.addresses.clone()).unwrap_or_default();
        let mut tools = before.map(|record| record.tools.clone()).unwrap_or_default();
        let mut stored = before.is_some_and(|record| record.stored);
        for change in run.changes {
            match change {
                Change::AddAddress(address) if !addresses.contains(address) => {
                    addresses.push(address.clone());
                }
                Change::Restore { tool, .. } if !tools.contains(tool) => tools.push(tool.clone()),
                Change::Store(_) => stored = true,
                _ => {}
            }
        }
        Self {
            format: FORMAT,
            boot_id: run.boot_id.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: Phase::Applying,
            backend: run.backend.to_owned(),
            digest: format!("{:016x}", run.digest),
            configuration: run.configuration,
            rules: run.rules,
            comments: run.comments,
            changes: run.changes.to_vec(),
            addresses,
            tools,
            stored,
            unconfirmed: None,
        }
    }

    /// The same record, of an installation that somebody has to confirm.
    #[must_use]
    pub fn to_be_confirmed(mut self, unconfirmed: Unconfirmed) -> Self {
        self.unconfirmed = Some(unconfirmed);
        self
    }

    /// The same record, confirmed.
    #[must_use]
    pub fn confirmed(mut self) -> Self {
        self.unconfirmed = None;
        self
    }

    /// The same run, completed.
    #[must_use]
    pub fn installed(mut self) -> Self {
        let removed =
            |address: &LoopbackAddress| self.changes.contains(&Change::RemoveAddress(address.clone()));
        self.addresses = self.addresses.iter().filter(|address| !removed(address)).cloned().collect();
        let last = self.changes.iter().rev().find_map(|change| match change {
            Change::Store(file) => Some(file.after.as_deref().is_some_and(DirectFile::is_ours_in)),
            _ => None,
        });
        self.stored = last.unwrap_or(self.stored);
        self.phase = Phase::Installed;
        self
    }

    /// Whether ::6 on loopback is there because of us.
    #[must_use]
    pub fn added_passthrough(&self) -> bool {
        self.addresses.iter().any(|address| address.address == IpFamily::V6.passthrough())
    }
}

impl Unconfirmed {
    /// Of an installation that is to be confirmed by `deadline`, a time since the boot.
    #[must_use]
    pub fn until(deadline: Duration, before: Before) -> Self {
        Self { deadline: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX), before }
    }

    /// The time since the boot by which somebody has to confirm.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline)
    }

    /// What is left of it `now`, a time since the boot; `None` when it is over.
    #[must_use]
    pub fn left(&self, now: Duration) -> Option<Duration> {
        self.deadline().checked_sub(now).filter(|left| !left.is_zero())
    }
}

impl Before {
    /// What `installed` and `captured` are: rules, and what eBPF programs capture. Where that waits for its own confirmation
    /// in vain, it is what would have come back.
    #[must_use]
    pub fn of(installed: &Installed, captured: Vec<Captured>) -> Self {
        if let Some(unconfirmed) = installed.record.as_ref().and_then(|record| record.unconfirmed.as_ref()) {
            return unconfirmed.before.clone();
        }
        Self {
            rules: installed.rules.iter().filter(|rules| !rules.is_empty()).cloned().collect(),
            captured,
            owned_address: installed.owns_address(),
            stored: installed.stored.as_ref().map(|file| file.text().to_owned()),
            record: installed.record.clone().map(Box::new),
        }
    }
}
