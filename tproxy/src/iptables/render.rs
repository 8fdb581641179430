//! From a plan, or from nothing wanted, and what is installed to the list of changes.
//!
//! Must never touch the system, and never drop a part of the plan in silence: what iptables rules cannot express yet is
//! [`Unsupported`].

use super::rule::{Rule, quoted};
use super::rules;
use super::stamp::Stamp;
use super::state::TableState;
use super::transition;
use super::{Flavour, Tool};
use crate::apply::change::{Change, LoopbackAddress};
use crate::apply::record::Record;
use crate::config::ChainName;
use crate::family::IpFamily;
use crate::firewalld::DirectFile;
use crate::plan::Plan;

/// A part of the plan that this backend cannot install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct Unsupported {
    key: &'static str,
    reason: &'static str,
}

impl Unsupported {
    /// The key of the setting that asks for it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The sentence behind the setting's name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// What was found of earlier installations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Rules by flavour and family; only the programs that exist were asked.
    pub rules: Vec<InstalledRules>,
    /// Whether the passthrough address ::6 is on loopback.
    pub has_address: bool,
    /// What the journal says; `None` without one.
    pub record: Option<Record>,
    /// firewalld's direct configuration, where it counts: rules are to be stored in it, or removed.
    pub stored: Option<DirectFile>,
}

/// The rules of ours that one pair of programs sees.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Whether ::6 on loopback is ours: it is there, and the journal or a jump says that we added it.
    #[must_use]
    pub fn owns_address(&self) -> bool {
        let recorded = self.record.as_ref().is_some_and(Record::added_passthrough);
        let stamped = || self.stamps().any(|stamp| stamp.added_address);
        self.has_address && (recorded || stamped())
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
}

/// The changes that lead from `installed` to `plan`, with the programs of `flavour`; what is installed by other
/// programs is removed.
///
/// # Errors
/// The plan has a part that these rules do not express yet.
pub fn install(plan: &Plan, installed: &Installed, flavour: Flavour) -> Result<Vec<Change>, Unsupported> {
    supported(plan, installed)?;
    let wants_v6 = plan.policy.families.contains(&IpFamily::V6);
    let stamp = Stamp {
        digest: plan.digest(),
        added_address: wants_v6 && (installed.owns_address() || !installed.has_address),
    };
    let mut changes = Vec::new();
    let mut kept = Vec::new();
    let address = passthrough(&plan.host.loopback);
    if wants_v6 && !installed.has_address {
        changes.push(Change::AddAddress(address.clone()));
    }
    for rules in &installed.rules {
        let wanted = rules.tool.flavour == flavour && plan.policy.families.contains(&rules.tool.family);
        // Both families' jumps speak of ::6, so that an install which was ended between the two leaves word of it.
        let tables = if wanted { rules::tables(plan, rules.tool.family, stamp) } else { Vec::new() };
        changes.extend(restore(rules, &tables));
        kept.push((rules.tool.family, tables));
    }
    // First, since it is the easiest to take back, and what cannot be written is to be known before rules change.
    changes.splice(0..0, store(installed, plan.iptables.store_firewalld.then_some(&kept)));
    if !wants_v6 && installed.owns_address() {
        changes.push(Change::RemoveAddress(address));
    }
    Ok(changes)
}

/// The change after which firewalld's configuration holds the tables of `kept`, or nothing of ours.
fn store(installed: &Installed, kept: Option<&Vec<(IpFamily, Vec<TableState>)>>) -> Option<Change> {
    let file = installed.stored.as_ref()?;
    kept.map_or_else(|| file.without_ours(), |kept| file.with(kept)).map(Change::Store)
}

/// The changes that remove everything of ours.
#[must_use]
pub fn remove(installed: &Installed, loopback: &str) -> Vec<Change> {
    let mut changes: Vec<Change> = store(installed, None).into_iter().collect();
    changes.extend(installed.rules.iter().filter_map(|rules| restore(rules, &[])));
    if installed.owns_address() {
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
fn restore(rules: &InstalledRules, wanted: &[TableState]) -> Option<Change> {
    let others = rules.tables.iter().map(|state| state.table.as_str()).filter(|name| !TABLES.contains(name));
    let (mut forward, mut backward) = (String::new(), String::new());
    for name in TABLES.into_iter().chain(others) {
        // No copies: a table may have a rule for every second port.
        let nothing = TableState::empty(name);
        let from = rules.tables.iter().find(|state| state.table == name).unwrap_or(&nothing);
        let to = wanted.iter().find(|table| table.table == name).unwrap_or(&nothing);
        if let Some(text) = transition::text(from, to) {
            forward.push_str(&text);
            backward.extend(transition::text(&to.applied_over(from), from));
        }
    }
    (!forward.is_empty()).then(|| Change::Restore { tool: rules.tool.clone(), forward, backward })
}

fn supported(plan: &Plan, installed: &Installed) -> Result<(), Unsupported> {
    const RESERVED: &str = "is the name of a chain that tproxy makes itself; give it another";
    const NOWHERE: &str = "there is no /etc/firewalld, in which rules would be stored; install firewalld first, or leave it out";
    let options = &plan.iptables;
    let chains = &options.chains;
    let reserved = |key, name: &ChainName| (key, RESERVED, rules::is_reserved(name.as_str()));
    let parts = [
        reserved("redirect.inbound.chainName", &chains.inbound),
        reserved("redirect.inbound.redirectChainName", &chains.inbound_redirect),
        reserved("redirect.outbound.chainName", &chains.outbound),
        reserved("redirect.outbound.redirectChainName", &chains.outbound_redirect),
        ("storeFirewalld", NOWHERE, options.store_firewalld && installed.stored.is_none()),
    ];
    match parts.into_iter().find(|(.., wanted)| *wanted) {
        Some((key, reason, _)) => Err(Unsupported { key, reason }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
