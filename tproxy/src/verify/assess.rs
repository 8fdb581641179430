//! What is installed, by whom, and whether it is whole.
//!
//! How it should be tells the journal's record, where the jumps do not contradict it; else the digest in the jumps tells
//! whether it is, and the shape of the rules what is wrong. Of rules without a digest only the shape is known.

use std::collections::BTreeSet;

use super::compare::compare;
use super::finding::{Finding, What};
use super::shape;
use crate::apply::record::{Phase, Record};
use crate::family::IpFamily;
use crate::iptables::Flavour;
use crate::iptables::render::{Installed, InstalledRules};
use crate::iptables::stamp::Stamp;
use crate::iptables::state::TableState;
use crate::iptables::wanted;

/// Who made an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// tproxy.
    Tproxy,
    /// Kuma: its rules carry no stamp.
    Kuma,
}

/// What is installed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment<'a> {
    /// Who made it; `None` where nothing is installed.
    pub author: Option<Author>,
    /// Flavours whose rules are here.
    pub flavours: BTreeSet<Flavour>,
    /// Digests of the policies that the jumps name.
    pub digests: BTreeSet<u64>,
    /// The journal's record, where it is about what is installed.
    pub record: Option<&'a Record>,
    /// What is wrong; nothing where the installation is whole.
    pub findings: Vec<Finding>,
}

impl Assessment<'_> {
    /// Whether only IPv4 is captured, and nobody is known to have asked for that.
    #[must_use]
    pub fn leaves_ipv6_alone(&self, installed: &Installed) -> bool {
        let has =
            |family| installed.rules.iter().any(|rules| rules.tool.family == family && !rules.is_empty());
        let chosen = self.record.and_then(|record| record.configuration.get("ipFamilyMode"));
        let is_missed = self.findings.iter().any(|finding| finding.family == Some(IpFamily::V6));
        let is_asked_for = chosen.and_then(|mode| mode.as_str()) == Some("ipv4");
        has(IpFamily::V4) && !has(IpFamily::V6) && !is_missed && !is_asked_for
    }
}

/// Assesses what was found.
#[must_use]
pub fn assess(installed: &Installed) -> Assessment<'_> {
    let with_rules: Vec<&InstalledRules> = installed.rules.iter().filter(|rules| !rules.is_empty()).collect();
    let flavours: BTreeSet<Flavour> = with_rules.iter().map(|rules| rules.tool.flavour).collect();
    let stamps: Vec<Stamp> = installed.stamps().collect();
    let digests: BTreeSet<u64> = stamps.iter().map(|stamp| stamp.digest).collect();
    let record = installed.record.as_ref().filter(|record| is_about(record, installed, &stamps));
    if installed.is_empty() {
        return Assessment { author: None, flavours, digests, record, findings: Vec::new() };
    }
    // Our rules carry a stamp, unless they were to have no comments; an address without rules is ours where it counts.
    let is_kumas = stamps.is_empty() && !with_rules.is_empty() && record.is_none() && !is_ours(&with_rules);
    let mut findings = of_the_whole(installed, record, &flavours, &digests);
    if !with_rules.is_empty() {
        findings.extend(match record.filter(|record| !record.rules.is_empty()) {
            Some(record) => compare(&wanted::loaded(record.rules.clone(), record.comments), &installed.rules),
            None => by_digest(installed, &with_rules, &stamps, is_kumas),
        });
    }
    let author = if is_kumas { Author::Kuma } else { Author::Tproxy };
    Assessment { author: Some(author), flavours, digests, record, findings }
}

/// Whether rules without comments are such as only tproxy makes.
fn is_ours(with_rules: &[&InstalledRules]) -> bool {
    with_rules.iter().flat_map(|rules| &rules.tables).any(TableState::is_of_tproxy)
}

/// Whether the jumps agree that a record is about them. Those without comments tell nothing.
fn is_about(record: &Record, installed: &Installed, stamps: &[Stamp]) -> bool {
    let has_jumps =
        || installed.rules.iter().flat_map(|rules| &rules.tables).any(|table| !table.hooks.is_empty());
    if stamps.is_empty() {
        return !(record.comments && has_jumps());
    }
    let rules = (!record.rules.is_empty()).then(|| wanted::digest(&record.rules));
    stamps.iter().any(|stamp| {
        let same_rules = rules.is_none() || stamp.rules.is_none() || rules == stamp.rules;
        format!("{:016x}", stamp.digest) == record.digest && same_rules
    })
}

fn of_the_whole(
    installed: &Installed,
    record: Option<&Record>,
    flavours: &BTreeSet<Flavour>,
    digests: &BTreeSet<u64>,
) -> Vec<Finding> {
    if flavours.is_empty() {
        return vec![Finding::new(What::AddressAlone)];
    }
    let interrupted = installed.record.as_ref().is_some_and(|record| record.phase == Phase::Applying);
    let added =
        record.is_some_and(Record::added_passthrough) || installed.stamps().any(|stamp| stamp.added_address);
    // Where IPv6 went since, its address went, too, and is not missing.
    let has_ipv6 = installed.rules.iter().any(|rules| rules.tool.family == IpFamily::V6 && !rules.is_empty());
    [
        (What::Interrupted, interrupted),
        (What::SeveralInstallations, flavours.len() > 1 || digests.len() > 1),
        (What::AddressMissing, added && has_ipv6 && !installed.has_address),
    ]
    .into_iter()
    .filter(|(_, is_so)| *is_so)
    .map(|(what, _)| Finding::new(what))
    .collect()
}

/// What can be said without a record.
fn by_digest(
    installed: &Installed,
    with_rules: &[&InstalledRules],
    stamps: &[Stamp],
    is_kumas: bool,
) -> Vec<Finding> {
    let digest = stamps.iter().find_map(|stamp| stamp.rules);
    let mut findings: Vec<Finding> = with_rules.iter().flat_map(|rules| shape::shadowed(rules)).collect();
    if digest.is_some_and(|digest| digest == wanted::digest(&installed.rules)) {
        return findings;
    }
    findings.extend(missing_families(with_rules, stamps));
    findings.extend(with_rules.iter().flat_map(|rules| shape::lacks(rules, is_kumas)));
    if findings.iter().all(|finding| finding.what == What::JumpShadowed) && digest.is_some() {
        findings.push(Finding::new(What::RulesDiffer));
    }
    findings
}

/// IPv4 is always captured, and IPv6 where ::6 was added for it.
fn missing_families(with_rules: &[&InstalledRules], stamps: &[Stamp]) -> Vec<Finding> {
    let wants_v6 = stamps.iter().any(|stamp| stamp.added_address);
    let is_there = |family| with_rules.iter().any(|rules| rules.tool.family == family);
    let Some(flavour) = with_rules.first().map(|rules| rules.tool.flavour) else { return Vec::new() };
    [(IpFamily::V4, true), (IpFamily::V6, wants_v6)]
        .into_iter()
        .filter(|(family, is_wanted)| *is_wanted && !is_there(*family))
        .map(|(family, _)| Finding::new(What::FamilyMissing).in_family(family, flavour))
        .collect()
}

#[cfg(test)]
#[path = "assess_tests.rs"]
mod tests;
