//! From a plan, or from nothing wanted, and what is installed to the list of changes.
//!
//! Must never touch the system, and never drop a part of the plan in silence: what iptables rules cannot express yet is
//! [`Unsupported`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::slice::from_ref;

use serde::{Deserialize, Serialize};

use super::choice::{Others, Seen};
use super::rule::{Rule, quoted};
use super::stamp::Stamp;
use super::state::TableState;
use super::{Flavour, Tool};
use super::{size, transition, wanted};
use crate::apply::change::{Change, LoopbackAddress};
use crate::apply::record::{Before, Record};
use crate::config::ChainName;
use crate::family::IpFamily;
use crate::firewalld::DirectFile;
use crate::plan::Plan;

/// A part of the plan that this backend cannot install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct Unsupported {
    key: &'static str,
    reason: Cow<'static, str>,
}

impl Unsupported {
    /// The key of the setting that asks for it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The sentence behind the setting's name.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// What was found of earlier installations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Rules by flavour and family; only the programs that exist were asked.
    pub rules: Vec<InstalledRules>,
    /// Whether the passthrough address ::6 is on loopback.
    pub has_address: bool,
    /// Who added it, as far as the kernel knows.
    pub address_mark: AddressMark,
    /// What the journal says; `None` without one.
    pub record: Option<Record>,
    /// firewalld's direct configuration, where it counts: rules are to be stored in it, or removed.
    pub stored: Option<DirectFile>,
    /// What other programs have, by flavour; of IPv4, which the choice of a flavour goes by.
    pub others: BTreeMap<Flavour, Others>,
    /// Programs that see and load nothing here, with their words.
    pub useless: Vec<(Tool, String)>,
}

/// Whose an address is by what the kernel keeps with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddressMark {
    /// It does not say: an older kernel, or a program that says nothing.
    #[default]
    None,
    /// tproxy's.
    Ours,
    /// Another program's.
    Other,
}

/// The rules of ours that one pair of programs sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledRules {
    /// The programs.
    pub tool: Tool,
    /// Our part of each table.
    pub tables: Vec<TableState>,
}

impl Installed {
    /// Whether nothing of ours is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.iter().all(InstalledRules::is_empty) && !self.owns_address()
    }

    /// What speaks for and against a flavour, with programs in sight.
    #[must_use]
    pub fn seen(&self, flavour: Flavour) -> Seen {
        let is_useless = |tool: &Tool| self.useless.iter().any(|(useless, _)| useless == tool);
        let of_flavour = || self.rules.iter().filter(|rules| rules.tool.flavour == flavour);
        Seen {
            usable: of_flavour().any(|rules| rules.tool.family == IpFamily::V4 && !is_useless(&rules.tool)),
            others: self.others.get(&flavour).copied().unwrap_or_default(),
            ours: of_flavour().any(|rules| !rules.is_empty()),
        }
    }

    /// Whether no rule was changed between the two.
    #[must_use]
    pub fn stands_as(&self, other: &Self) -> bool {
        self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(|(own, other)| own.stands_as(other))
    }

    /// Whether ::6 on loopback is ours: it is there, and says so itself, or says nothing, and the journal or a jump says
    /// that we added it.
    #[must_use]
    pub fn owns_address(&self) -> bool {
        let recorded = || self.record.as_ref().is_some_and(Record::added_passthrough);
        let stamped = || self.stamps().any(|stamp| stamp.added_address);
        self.has_address
            && match self.address_mark {
                AddressMark::Ours => true,
                AddressMark::Other => false,
                AddressMark::None => recorded() || stamped(),
            }
    }

    /// Rules that Kuma may have written, and others, too, each with its family and table. They stay.
    pub fn doubtful(&self) -> impl Iterator<Item = String> + '_ {
        let tables =
            self.rules.iter().flat_map(|rules| rules.tables.iter().map(|table| (&rules.tool, table)));
        tables.flat_map(|(tool, state)| {
            let text = |(chain, rule): &(String, Rule)| {
                format!("{} -t {} -A {} {rule}", tool.family.title(), state.table, quoted(chain))
            };
            state.doubtful.iter().map(text)
        })
    }

    /// Jumps of other programs to chains of ours, each with its family and table. They go with these chains.
    pub fn foreign_jumps(&self) -> impl Iterator<Item = String> + '_ {
        self.rules.iter().flat_map(|rules| {
            let family = rules.tool.family.title();
            rules.tables.iter().flat_map(move |state| {
                let foreign = state.hooks.iter().filter(|hook| hook.is_foreign());
                foreign.map(move |hook| {
                    format!("{family} -t {} -A {} {}", state.table, quoted(&hook.chain), hook.rule)
                })
            })
        })
    }

    /// What the jumps say of the installations that they belong to; none of those that Kuma made.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.rules.iter().flat_map(|rules| &rules.tables).flat_map(TableState::stamps)
    }
}

impl InstalledRules {
    /// Whether these programs see no rule of ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(TableState::is_empty)
    }

    /// Whether `tool` sees the same rules.
    #[must_use]
    pub fn sees_as(&self, tool: &Tool) -> bool {
        (self.tool.flavour, self.tool.family) == (tool.flavour, tool.family)
    }

    /// Whether nothing was changed in the tables of ours between the two.
    #[must_use]
    pub fn stands_as(&self, other: &Self) -> bool {
        let names = self.tables.iter().chain(&other.tables).map(|state| &state.table);
        let state =
            |rules: &Self, name: &str| rules.table(name).cloned().unwrap_or_else(|| TableState::empty(name));
        names.into_iter().all(|name| state(self, name).stands_as(&state(other, name)))
    }

    /// Our part of a table by its name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableState> {
        self.tables.iter().find(|state| state.table == name)
    }
}

/// The changes that lead from `installed` to `plan`, with the programs of `flavour`; what is installed by other
/// programs is removed.
///
/// # Errors
/// The plan has a part that these rules do not express yet.
pub fn install(plan: &Plan, installed: &Installed, flavour: Flavour) -> Result<Vec<Change>, Unsupported> {
    supported(plan, installed)?;
    let wants_v6 = plan.policy.families.contains(&IpFamily::V6);
    let mut sets = wanted::loaded(wanted::recorded(plan, installed, flavour), plan.iptables.comments);
    // First, since it is the easiest to take back, and what cannot be written is to be known before rules change.
    let mut changes: Vec<Change> =
        store(installed, plan.iptables.store_firewalld.then_some(&sets)).into_iter().collect();
    let address = passthrough(&plan.host.loopback);
    if wants_v6 && !installed.has_address {
        changes.push(Change::AddAddress(address.clone()));
    }
    for rules in &installed.rules {
        let set = sets.iter_mut().find(|set| set.sees_as(&rules.tool));
        changes.extend(restore(rules, set.map(|set| std::mem::take(&mut set.tables)).unwrap_or_default()));
    }
    if !wants_v6 && installed.owns_address() {
        changes.push(Change::RemoveAddress(address));
    }
    Ok(changes)
}

/// The change after which firewalld's configuration holds the tables of `kept`, or nothing of ours.
fn store(installed: &Installed, kept: Option<&Vec<InstalledRules>>) -> Option<Change> {
    let file = installed.stored.as_ref()?;
    let tables = |rules: &InstalledRules| (rules.tool.family, rules.tables.clone());
    let change = match kept {
        None => file.without_ours(),
        Some(kept) => file.with(&kept.iter().map(tables).collect::<Vec<_>>()),
    };
    change.map(Change::Store)
}

/// The changes that remove everything of ours.
#[must_use]
pub fn remove(installed: &Installed, loopback: &str) -> Vec<Change> {
    let mut changes: Vec<Change> = store(installed, None).into_iter().collect();
    changes.extend(installed.rules.iter().filter_map(|rules| restore(rules, Vec::new())));
    if installed.owns_address() {
        changes.push(Change::RemoveAddress(passthrough(loopback)));
    }
    changes
}

/// The changes that lead from `installed` back to what was there `before` the installation that `record` is about, by what
/// is seen now; of rules and addresses.
#[must_use]
pub fn back(before: &Before, record: &Record, installed: &Installed, loopback: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.owned_address && !installed.has_address {
        changes.push(Change::AddAddress(passthrough(loopback)));
    }
    // Another flavour's rules go when those that take their place have come back.
    let comes_back =
        |rules: &&InstalledRules| before.rules.iter().any(|set| set.sees_as(&rules.tool) && !set.is_empty());
    let (first, then): (Vec<_>, Vec<_>) = installed.rules.iter().partition(comes_back);
    for rules in first.into_iter().chain(then) {
        let of = |sets: &[InstalledRules], name: &str| {
            let set = sets.iter().find(|set| set.sees_as(&rules.tool));
            set.and_then(|set| set.table(name)).cloned().unwrap_or_else(|| TableState::empty(name))
        };
        let tables = before.rules.iter().filter(|set| set.sees_as(&rules.tool)).flat_map(|set| &set.tables);
        let over = |table: &TableState| {
            let name = &table.table;
            table.returned_over(&of(&record.rules, name), &of(from_ref(rules), name))
        };
        changes.extend(restore(rules, tables.map(over).collect()));
    }
    if !before.owned_address && installed.owns_address() {
        changes.push(Change::RemoveAddress(passthrough(loopback)));
    }
    changes
}

fn passthrough(loopback: &str) -> LoopbackAddress {
    LoopbackAddress {
        interface: loopback.to_owned(),
        address: IpFamily::V6.passthrough(),
        prefix: IpFamily::V6.host_prefix(),
    }
}

/// The order in which tables are loaded: queries get their zone before they are captured.
const TABLES: [&str; 3] = ["raw", "nat", "mangle"];

/// One restore for all tables of one family: from what is there to `wanted`.
fn restore(rules: &InstalledRules, mut wanted: Vec<TableState>) -> Option<Change> {
    let others = rules.tables.iter().map(|state| state.table.as_str()).filter(|name| !TABLES.contains(name));
    let (mut forward, mut backward) = (String::new(), String::new());
    for name in TABLES.into_iter().chain(others) {
        // No copies: a table may have a rule for every second port.
        let nothing = TableState::empty(name);
        let from = rules.table(name).unwrap_or(&nothing);
        let wanted = wanted.iter().position(|table| table.table == name).map(|at| wanted.swap_remove(at));
        let to = wanted.unwrap_or_else(|| TableState::empty(name));
        let before = forward.len();
        transition::append(&mut forward, from, &to);
        if forward.len() > before {
            transition::append(&mut backward, &to.applied_over(from), from);
        }
    }
    (!forward.is_empty()).then(|| Change::Restore { tool: rules.tool.clone(), forward, backward })
}

/// Whether rules can be made of all of `plan`.
///
/// # Errors
/// The part of it that they do not express, or that is too large.
pub fn supported(plan: &Plan, installed: &Installed) -> Result<(), Unsupported> {
    const RESERVED: &str = "is the name of a chain that tproxy makes itself; give it another";
    const NOWHERE: &str = "there is no /etc/firewalld, in which rules would be stored; install firewalld first, or leave it out";
    let options = &plan.iptables;
    let chains = &options.chains;
    let reserved = |key, name: &ChainName| (key, RESERVED, super::rules::is_reserved(name.as_str()));
    let parts = [
        reserved("redirect.inbound.chainName", &chains.inbound),
        reserved("redirect.inbound.redirectChainName", &chains.inbound_redirect),
        reserved("redirect.outbound.chainName", &chains.outbound),
        reserved("redirect.outbound.redirectChainName", &chains.outbound_redirect),
        ("storeFirewalld", NOWHERE, options.store_firewalld && installed.stored.is_none()),
    ];
    match parts.into_iter().find(|(.., wanted)| *wanted) {
        Some((key, reason, _)) => Err(Unsupported { key, reason: reason.into() }),
        None => match size::excess(plan) {
            Some((key, reason)) => Err(Unsupported { key, reason: reason.into() }),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
