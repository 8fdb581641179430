//! What can be said of rules of which it is not known how they should be: whether every installation that tproxy or Kuma
//! makes would have more of them.

use super::finding::{Finding, What};
use crate::iptables::CHAIN_PREFIX;
use crate::iptables::hooks::{Hook, Place};
use crate::iptables::render::InstalledRules;
use crate::iptables::stamp::Stamp;
use crate::iptables::state::TableState;

/// Every installation jumps to its chains from both (Kuma behaviour).
const JUMPING: [&str; 2] = ["PREROUTING", "OUTPUT"];
/// Two that decide and two that redirect (Kuma behaviour).
const KUMAS_CHAINS: usize = 4;

/// What one family's rules lack. Rules that Kuma made have all of its chains.
pub(super) fn lacks(rules: &InstalledRules, is_kumas: bool) -> Vec<Finding> {
    let about = |what| Finding::new(what).in_family(rules.tool.family, rules.tool.flavour);
    let Some(nat) = rules.table("nat").filter(|nat| !nat.is_empty()) else {
        return vec![about(What::TableMissing).in_table("nat")];
    };
    let mut findings: Vec<Finding> = JUMPING
        .into_iter()
        .filter(|chain| !leads_from(nat, chain))
        .map(|chain| about(What::JumpMissing).in_table("nat").in_chain(chain))
        .collect();
    if is_kumas && nat.chains.len() < KUMAS_CHAINS {
        findings.push(about(What::ChainsMissing).in_table("nat"));
    }
    for table in &rules.tables {
        let empty =
            table.chains.iter().filter(|chain| chain.rules.is_empty() && is_entered(table, &chain.name));
        findings
            .extend(empty.map(|chain| about(What::ChainEmpty).in_table(&table.table).in_chain(&chain.name)));
    }
    findings
}

/// Jumps that say of themselves that they belong before the rules of others, and stand behind some.
pub(super) fn shadowed(rules: &InstalledRules) -> Vec<Finding> {
    let about = |what| Finding::new(what).in_family(rules.tool.family, rules.tool.flavour);
    let is_shadowed = |hook: &&Hook| {
        let belongs_first = Stamp::of(&hook.rule).is_some_and(|stamp| stamp.first);
        belongs_first && matches!(hook.place, Place::Seen { behind: 1.., .. })
    };
    let hooks = rules.tables.iter().flat_map(|table| table.hooks.iter().map(move |hook| (table, hook)));
    hooks
        .filter(|(_, hook)| is_shadowed(hook))
        .map(|(table, hook)| {
            about(What::JumpShadowed).in_table(&table.table).in_chain(&hook.chain).about(&hook.rule)
        })
        .collect()
}

fn leads_from(nat: &TableState, chain: &str) -> bool {
    let leads = |target: &str| target.starts_with(CHAIN_PREFIX);
    nat.hooks.iter().any(|hook| hook.chain == chain && hook.rule.target().is_some_and(leads))
}

/// Whether any rule leads to a chain of ours.
fn is_entered(table: &TableState, name: &str) -> bool {
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    rules.chain(table.hooks.iter().map(|hook| &hook.rule)).any(|rule| rule.target() == Some(name))
}
