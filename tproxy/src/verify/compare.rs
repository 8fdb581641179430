//! What should be there beside what is: every rule, chain and jump that is missing, foreign, or not in its place.

use super::finding::{Finding, What};
use super::sequence::{Difference, differences};
use crate::iptables::hooks::{Hook, Place};
use crate::iptables::render::InstalledRules;
use crate::iptables::rule::Rule;
use crate::iptables::state::{Chain, TableState};

/// All differences between the rules that are wanted, as they are loaded, and those that are seen.
pub(super) fn compare(wanted: &[InstalledRules], seen: &[InstalledRules]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rules in wanted {
        let about = |what| Finding::new(what).in_family(rules.tool.family, rules.tool.flavour);
        match seen.iter().find(|seen| seen.sees_as(&rules.tool)).filter(|seen| !seen.is_empty()) {
            Some(seen) => findings.extend(of_family(rules, seen, &about)),
            None => findings.push(about(What::FamilyMissing)),
        }
    }
    let is_wanted = |seen: &&InstalledRules| wanted.iter().any(|rules| rules.sees_as(&seen.tool));
    let others = seen.iter().filter(|seen| !seen.is_empty() && !is_wanted(seen));
    findings.extend(
        others.map(|seen| Finding::new(What::FamilyForeign).in_family(seen.tool.family, seen.tool.flavour)),
    );
    findings
}

fn of_family(
    wanted: &InstalledRules,
    seen: &InstalledRules,
    about: &dyn Fn(What) -> Finding,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for table in wanted.tables.iter().filter(|table| !table.is_empty()) {
        let about = |what| about(what).in_table(&table.table);
        match seen.table(&table.table).filter(|seen| !seen.is_empty()) {
            Some(seen) => of_table(table, seen, &about, &mut findings),
            None => findings.push(about(What::TableMissing)),
        }
    }
    for table in seen.tables.iter().filter(|table| wanted.table(&table.table).is_none()) {
        let about = |what| about(what).in_table(&table.table);
        of_table(&TableState::empty(&table.table), table, &about, &mut findings);
    }
    findings
}

fn of_table(
    wanted: &TableState,
    seen: &TableState,
    about: &dyn Fn(What) -> Finding,
    findings: &mut Vec<Finding>,
) {
    for chain in &wanted.chains {
        let about = |what| about(what).in_chain(&chain.name);
        match seen.chain(&chain.name) {
            Some(seen) => findings.extend(of_rules(&references(chain), &references(seen), &about)),
            None => findings.push(about(What::ChainMissing)),
        }
    }
    let foreign = seen.chains.iter().filter(|chain| wanted.chain(&chain.name).is_none());
    findings.extend(foreign.map(|chain| about(What::ChainForeign).in_chain(&chain.name)));
    for name in builtin_chains(wanted, seen) {
        let about = |what| about(what).in_chain(name);
        findings.extend(of_rules(&jumps(wanted, name), &jumps(seen, name), &about));
    }
    let shadowed = wanted.hooks.iter().filter(|hook| is_shadowed(hook, seen));
    findings.extend(shadowed.map(|hook| about(What::JumpShadowed).in_chain(&hook.chain).about(&hook.rule)));
}

fn of_rules(wanted: &[&Rule], seen: &[&Rule], about: &dyn Fn(What) -> Finding) -> Vec<Finding> {
    let finding = |difference| {
        let (what, rule) = match difference {
            Difference::Missing(index) => (What::RuleMissing, wanted.get(index)),
            Difference::Foreign(index) => (What::RuleForeign, seen.get(index)),
            Difference::Moved(index) => (What::RuleMoved, seen.get(index)),
        };
        rule.map(|rule| about(what).about(rule))
    };
    differences(wanted, seen).into_iter().filter_map(finding).collect()
}

fn references(chain: &Chain) -> Vec<&Rule> {
    chain.rules.iter().collect()
}

fn jumps<'a>(table: &'a TableState, chain: &str) -> Vec<&'a Rule> {
    table.hooks.iter().filter(|hook| hook.chain == chain).map(|hook| &hook.rule).collect()
}

/// The chains in which hooks stand or should stand, each once.
fn builtin_chains<'a>(wanted: &'a TableState, seen: &'a TableState) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for hook in wanted.hooks.iter().chain(&seen.hooks) {
        if !names.contains(&hook.chain.as_str()) {
            names.push(&hook.chain);
        }
    }
    names
}

/// Whether more foreign rules stand before a hook than when it was installed.
fn is_shadowed(wanted: &Hook, seen: &TableState) -> bool {
    let is_same = |hook: &&Hook| hook.chain == wanted.chain && hook.rule == wanted.rule;
    let first = seen.hooks.iter().find(is_same).map(|hook| hook.place);
    match (wanted.place.behind(), first) {
        (Some(most), Some(Place::Seen { behind, .. })) => behind > most,
        _ => false,
    }
}
