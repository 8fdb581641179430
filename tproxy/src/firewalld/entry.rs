//! The chains and rules of a direct configuration, and those that an installation means.
//!
//! Must never give a rule of ours a priority that puts it on the other side of somebody else's rule than in iptables.

use super::arguments;
use super::document::Element;
use crate::family::IpFamily;
use crate::iptables::CHAIN_PREFIX;
use crate::iptables::hooks::{Hook, Place};
use crate::iptables::rule::Rule;
use crate::iptables::state::TableState;

/// The priority of our rules where no other rule decides which it must be. For jumps, which stand behind other programs'
/// rules, it is the one that Kuma gives.
const FIRST: i32 = 0;
const LAST: i32 = 3;

/// A chain, as firewalld names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chain {
    /// `ipv4`, `ipv6`, or `eb`.
    pub(super) ipv: String,
    pub(super) table: String,
    pub(super) name: String,
}

impl Chain {
    /// Whether iptables' rules are in it, not ebtables'.
    pub(super) fn is_of_iptables(&self) -> bool {
        self.ipv == ipv(IpFamily::V4) || self.ipv == ipv(IpFamily::V6)
    }
}

/// What an element says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Chain(Chain),
    Rule { chain: Chain, priority: i32, rule: Rule },
}

impl Entry {
    pub(super) fn chain(&self) -> &Chain {
        match self {
            Self::Chain(chain) | Self::Rule { chain, .. } => chain,
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        let in_ours = self.chain().name.starts_with(CHAIN_PREFIX);
        let is_ours = match self {
            Self::Chain(_) => in_ours,
            Self::Rule { rule, .. } => in_ours || rule.is_ours(),
        };
        is_ours && self.chain().is_of_iptables()
    }

    /// The element, as firewalld writes it.
    pub(super) fn text(&self) -> String {
        let Chain { ipv, table, name } = self.chain();
        let chain =
            format!("ipv=\"{}\" table=\"{}\" chain=\"{}\"", escaped(ipv), escaped(table), escaped(name));
        match self {
            Self::Chain(_) => format!("<chain {chain}/>"),
            Self::Rule { priority, rule, .. } => {
                format!("<rule {chain} priority=\"{priority}\">{}</rule>", escaped(&arguments::join(rule)))
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn ipv(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "ipv4",
        IpFamily::V6 => "ipv6",
    }
}

/// Entries in an order in which two lists that mean the same are the same: firewalld moves what belongs to one chain
/// together when it writes the file.
pub(super) fn in_order<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<&'a Entry> {
    let key = |entry: &'a Entry| (matches!(entry, Entry::Rule { .. }), entry.chain());
    let mut entries: Vec<&Entry> = entries.collect();
    entries.sort_by(|left, right| key(left).cmp(&key(right)));
    entries
}

/// The entries that these tables mean, in the file that has these elements.
pub(super) fn wanted(tables: &[(IpFamily, Vec<TableState>)], elements: &[Element]) -> Vec<Entry> {
    let tables: Vec<(IpFamily, &TableState)> =
        tables.iter().flat_map(|(family, tables)| tables.iter().map(|table| (*family, table))).collect();
    let chain = |family: IpFamily, table: &TableState, name: &str| Chain {
        ipv: ipv(family).to_owned(),
        table: table.table.clone(),
        name: name.to_owned(),
    };
    let mut entries = Vec::new();
    for (family, table) in &tables {
        entries.extend(table.chains.iter().map(|own| Entry::Chain(chain(*family, table, &own.name))));
    }
    for (family, table) in tables {
        for own in &table.chains {
            let rule = |rule: &Rule| Entry::Rule {
                chain: chain(family, table, &own.name),
                priority: FIRST,
                rule: rule.clone(),
            };
            entries.extend(own.rules.iter().map(rule));
        }
        for hook in &table.hooks {
            let chain = chain(family, table, &hook.chain);
            let priority = priority(hook, &chain, elements);
            entries.push(Entry::Rule { chain, priority, rule: hook.rule.clone() });
        }
    }
    entries
}

/// Before all rules of others, or behind those that are there when ours is first stored: later it keeps its priority, as
/// it keeps its place in iptables.
fn priority(hook: &Hook, chain: &Chain, elements: &[Element]) -> i32 {
    let rules = elements.iter().filter_map(|element| match &element.entry {
        Some(Entry::Rule { chain: other, priority, rule }) if other == chain => {
            Some((element.is_ours(), *priority, rule))
        }
        _ => None,
    });
    let others = rules.clone().filter(|(is_ours, ..)| !is_ours).map(|(_, priority, _)| priority);
    match hook.place {
        Place::First => others.min().map_or(FIRST, |lowest| FIRST.min(lowest.saturating_sub(1))),
        Place::Last | Place::End | Place::Behind(_) | Place::Seen { .. } => {
            let is_same =
                |(is_ours, _, rule): &(bool, i32, &Rule)| *is_ours && rule.target() == hook.rule.target();
            let before = rules.clone().find(is_same).map(|(_, priority, _)| priority);
            before.or(others.max().map(|highest| LAST.max(highest))).unwrap_or(LAST)
        }
    }
}
