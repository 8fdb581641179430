//! What a plan wants to be there, as it is loaded and as it is recorded, and the digest by which it is known again.
//!
//! Must never look at how it gets there: that is the transition.

use std::collections::BTreeMap;
use std::hash::Hasher;

use super::hooks::{Hook, Place};
use super::render::{Installed, InstalledRules};
use super::rules;
use super::stamp::Stamp;
use super::state::{Chain, TableState};
use super::{Flavour, Tool};
use crate::apply::record::Record;
use crate::family::IpFamily;
use crate::plan::Plan;

/// The rules that `plan` means, one set for each pair of programs of `flavour`: every rule of a chain with the name of
/// its line, whether it is loaded with comments or without.
///
/// Jumps that an earlier run recorded stay on that side of foreign rules on which they were installed, unless the plan now
/// wants them on the other.
#[must_use]
pub fn recorded(plan: &Plan, installed: &Installed, flavour: Flavour) -> Vec<InstalledRules> {
    let is_wanted = |tool: &Tool| tool.flavour == flavour && plan.policy.families.contains(&tool.family);
    let tools = installed.rules.iter().map(|rules| &rules.tool).filter(|tool| is_wanted(tool));
    let mut wanted: Vec<InstalledRules> = tools
        .map(|tool| InstalledRules { tool: tool.clone(), tables: rules::tables(plan, tool.family) })
        .collect();
    if plan.iptables.comments {
        let stamp = Stamp {
            digest: plan.digest(),
            added_address: adds_address(plan, installed),
            first: false,
            rules: Some(digest(&wanted)),
        };
        // Both families' jumps speak of ::6, so that an install which was ended between the two leaves word of it.
        for hook in hooks_of(&mut wanted) {
            let stamp = Stamp { first: hook.place == Place::First, ..stamp };
            hook.rule = hook.rule.commented(&stamp.text());
        }
    }
    if let Some(record) = &installed.record {
        keep_sides(&mut wanted, record);
    }
    leave_the_front(&mut wanted, installed);
    wanted
}

/// The rules as they are loaded: without comments where none are wanted.
#[must_use]
pub fn loaded(mut rules: Vec<InstalledRules>, comments: bool) -> Vec<InstalledRules> {
    if !comments {
        let chains = rules.iter_mut().flat_map(|rules| &mut rules.tables).flat_map(|table| &mut table.chains);
        for rule in chains.flat_map(|chain| &mut chain.rules) {
            *rule = rule.without_comment();
        }
    }
    rules
}

/// The rules as the journal holds them once they were applied over what was `installed`: each jump with its side of
/// foreign rules.
#[must_use]
pub fn settled(wanted: Vec<InstalledRules>, installed: &Installed) -> Vec<InstalledRules> {
    let settle = |rules: InstalledRules| {
        let before = installed.rules.iter().find(|seen| seen.sees_as(&rules.tool));
        let tables = rules.tables.into_iter().map(|table| {
            let nothing = TableState::empty(&table.table);
            let from = before.and_then(|seen| seen.table(&table.table)).unwrap_or(&nothing);
            table.settled_over(from)
        });
        InstalledRules { tables: tables.collect(), tool: rules.tool }
    };
    wanted.into_iter().map(settle).collect()
}

/// Whether ::6 is there because of an installation of `plan`.
pub(super) fn adds_address(plan: &Plan, installed: &Installed) -> bool {
    let wants_v6 = plan.policy.families.contains(&IpFamily::V6);
    wants_v6 && (installed.owns_address() || !installed.has_address)
}

/// 64 bits that tell these rules from others (FNV-1a). Of a jump all counts but its comment, in which the digest stands;
/// nothing of other programs does, nor the order of chains.
#[must_use]
pub fn digest(rules: &[InstalledRules]) -> u64 {
    let mut hasher = fnv::FnvHasher::default();
    let mut sets: Vec<&InstalledRules> = rules.iter().collect();
    sets.sort_by_key(|rules| rules.tool.family);
    for rules in sets {
        let mut tables: Vec<&TableState> = rules.tables.iter().filter(|table| !table.is_empty()).collect();
        tables.sort_by_key(|table| &table.table);
        for table in tables {
            feed(&mut hasher, &["table", &rules.tool.family.to_string(), &table.table]);
            feed_table(&mut hasher, table);
        }
    }
    hasher.finish()
}

fn feed_table(hasher: &mut impl Hasher, table: &TableState) {
    let mut chains: Vec<&Chain> = table.chains.iter().collect();
    chains.sort_by_key(|chain| &chain.name);
    for chain in chains {
        feed(hasher, &["chain", &chain.name]);
        chain.rules.iter().for_each(|rule| feed(hasher, &[&rule.to_string()]));
    }
    let mut hooks: Vec<&Hook> = table.hooks.iter().collect();
    hooks.sort_by_key(|hook| &hook.chain);
    for hook in hooks {
        feed(hasher, &["jump", &hook.chain, &hook.rule.without_comment().to_string()]);
    }
}

fn feed(hasher: &mut impl Hasher, words: &[&str]) {
    for word in words {
        hasher.write(word.as_bytes());
        hasher.write_u8(0);
    }
}

fn hooks_of(rules: &mut [InstalledRules]) -> impl Iterator<Item = &mut Hook> {
    rules.iter_mut().flat_map(|rules| &mut rules.tables).flat_map(|table| &mut table.hooks)
}

/// A jump that was put before foreign rules and need not stand there any more goes behind them. What the journal does not
/// say, the jump itself does.
fn leave_the_front(wanted: &mut [InstalledRules], installed: &Installed) {
    let recorded = installed.record.iter().flat_map(|record| &record.rules);
    let before: Vec<&InstalledRules> = recorded.chain(&installed.rules).collect();
    for rules in wanted {
        for table in &mut rules.tables {
            let before = before.iter().filter(|before| before.sees_as(&rules.tool));
            let hooks = before.filter_map(|before| before.table(&table.table)).flat_map(|table| &table.hooks);
            let first: Vec<&Hook> = hooks.filter(|hook| was_first(hook)).collect();
            let leaves = |hook: &&mut Hook| {
                hook.place == Place::Last && first.iter().any(|first| first.is_twin_of(hook))
            };
            table.hooks.iter_mut().filter(leaves).for_each(|hook| hook.place = Place::End);
        }
    }
}

fn was_first(hook: &Hook) -> bool {
    hook.place == Place::First || Stamp::of(&hook.rule).is_some_and(|stamp| stamp.first)
}

/// A jump that may stand behind foreign rules stands behind those only that were there when it was first installed, and
/// never behind a jump of ours that follows it.
fn keep_sides(wanted: &mut [InstalledRules], record: &Record) {
    for rules in wanted {
        let Some(before) = record.rules.iter().find(|recorded| recorded.sees_as(&rules.tool)) else {
            continue;
        };
        for table in &mut rules.tables {
            let Some(before) = before.table(&table.table) else { continue };
            let mut followed: BTreeMap<String, Place> = BTreeMap::new();
            for hook in table.hooks.iter_mut().rev().filter(|hook| hook.place == Place::Last) {
                let recorded = before.hooks.iter().find(|old| old.is_twin_of(hook)).map(|old| old.place);
                let recorded = recorded.filter(|place| matches!(place, Place::Behind(_)));
                if let Some(place) = recorded.or(followed.get(&hook.chain).copied()) {
                    hook.place = place;
                    followed.insert(hook.chain.clone(), place);
                }
            }
        }
    }
}
