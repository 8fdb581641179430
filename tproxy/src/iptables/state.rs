//! What of a table is ours: our chains with their rules, and our rules in other chains. Wanted and observed states are
//! the same data, so that the way from one to the other is one function.
//!
//! Must never hold anything of other programs but how many rules they have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CHAIN_PREFIX;
use super::hooks::{self, Hook, Place};
use super::kuma::{self, Owner, Uncommented};
use super::rule::Rule;
use super::rules;
use super::save::SavedTable;
use super::stamp::Stamp;

/// The tables that tproxy and Kuma write to. Whatever chains are called elsewhere, they are somebody else's.
const TABLES: [&str; 3] = ["raw", "nat", "mangle"];

/// Our part of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// `nat`, `raw` or `mangle`.
    pub table: String,
    /// Our chains.
    pub chains: Vec<Chain>,
    /// Our rules in chains that are not ours: jumps, and what Kuma puts there directly.
    pub hooks: Vec<Hook>,
    /// Rules that Kuma may have written and that others write, too: the chain and the rule. They are left alone.
    #[serde(skip)]
    pub doubtful: Vec<(String, Rule)>,
    /// How many rules of other programs stand in chains that are not ours, where it was looked.
    #[serde(skip)]
    pub others: BTreeMap<String, usize>,
}

/// A chain of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Name, with our prefix.
    pub name: String,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

impl TableState {
    /// A table of which nothing is ours.
    #[must_use]
    pub fn empty(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            chains: Vec::new(),
            hooks: Vec::new(),
            doubtful: Vec::new(),
            others: BTreeMap::new(),
        }
    }

    /// Whether nothing of the table is ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.hooks.is_empty()
    }

    /// Our part of the saved tables of one family and flavour. Takes them, since they may be large.
    #[must_use]
    pub fn of_all(saved: Vec<SavedTable>) -> Vec<Self> {
        let kuma = saved.iter().find(|table| table.name == "nat").and_then(Uncommented::of);
        let tables = saved.into_iter().filter(|table| TABLES.contains(&table.name.as_str()));
        tables.map(|table| Self::of(table, kuma.as_ref())).collect()
    }

    fn of(saved: SavedTable, kuma: Option<&Uncommented>) -> Self {
        let mut state = Self::empty(&saved.name);
        for chain in saved.chains {
            if chain.name.starts_with(CHAIN_PREFIX) {
                state.chains.push(Chain { name: chain.name, rules: chain.rules });
                continue;
            }
            let owners = kuma.map(|kuma| kuma.owners(&saved.name, &chain)).unwrap_or_default();
            let mut behind = 0;
            for (index, rule) in chain.rules.into_iter().enumerate() {
                let owner = owners.get(index).copied().unwrap_or(Owner::Other);
                if rule.is_ours() || owner == Owner::Kuma {
                    let place = Place::Seen { position: index + 1, behind };
                    state.hooks.push(Hook { chain: chain.name.clone(), place, rule });
                    continue;
                }
                behind += 1;
                if owner == Owner::Doubtful {
                    state.doubtful.push((chain.name.clone(), rule));
                }
            }
            state.others.insert(chain.name.clone(), behind);
        }
        state
    }

    /// This state as it is seen once it was applied over `from`. Takes it, since it may be large.
    #[must_use]
    pub fn applied_over(self, from: &Self) -> Self {
        Self { hooks: hooks::applied(&from.hooks, &self.hooks), ..self }
    }

    /// This state with the side of foreign rules on which each hook comes to stand when it is applied over `from`.
    #[must_use]
    pub fn settled_over(self, from: &Self) -> Self {
        Self { hooks: hooks::settled(&from.hooks, self.hooks, &from.others), ..self }
    }

    /// This state, which was seen before `installed` was, as it comes back over `now`. Of what others did meanwhile, nothing
    /// is taken back.
    #[must_use]
    pub fn returned_over(&self, installed: &Self, now: &Self) -> Self {
        let hooks = hooks::returned(&self.hooks, &installed.hooks, &now.hooks, &now.others);
        Self { chains: self.chains.clone(), hooks, ..Self::empty(&self.table) }
    }

    /// Whether both have the same rules of ours, wherever these stand among foreign ones.
    #[must_use]
    pub fn has_rules_of(&self, other: &Self) -> bool {
        let hooks = |state: &Self| -> Vec<(String, Rule)> {
            state.hooks.iter().map(|hook| (hook.chain.clone(), hook.rule.clone())).collect()
        };
        let is_in = |chain: &Chain, state: &Self| state.chain(&chain.name) == Some(chain);
        hooks(self) == hooks(other)
            && self.chains.len() == other.chains.len()
            && self.chains.iter().all(|chain| is_in(chain, other))
    }

    /// Whether nothing was changed between the two: neither ours, nor its place among foreign rules, nor their number.
    #[must_use]
    pub fn stands_as(&self, other: &Self) -> bool {
        let foreign = |state: &Self| -> BTreeMap<String, usize> {
            state
                .others
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(name, count)| (name.clone(), *count))
                .collect()
        };
        self.has_rules_of(other) && self.hooks == other.hooks && foreign(self) == foreign(other)
    }

    /// Whether a chain without comments is here that tproxy makes, and Kuma does not.
    #[must_use]
    pub fn is_of_tproxy(&self) -> bool {
        self.chains.iter().any(|chain| {
            let name = chain.name.strip_prefix(CHAIN_PREFIX).unwrap_or_default();
            chain.rules.iter().all(|rule| rule.comment().is_none())
                && (rules::is_reserved(name) || chain.rules.iter().any(kuma::is_of_tproxy))
        })
    }

    /// A chain of ours by name.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }

    /// What the hooks say of the installation.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.hooks.iter().filter_map(|hook| Stamp::of(&hook.rule))
    }
}
