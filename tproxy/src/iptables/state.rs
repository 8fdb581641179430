//! What of a table is ours: our chains with their rules, and our rules in other chains. Wanted and observed states are
//! the same data, so that the way from one to the other is one function.
//!
//! Must never hold anything of other programs.

use super::CHAIN_PREFIX;
use super::rule::Rule;
use super::save::SavedTable;
use super::stamp::Stamp;

/// Our part of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// `nat`, `raw` or `mangle`.
    pub table: String,
    /// Our chains.
    pub chains: Vec<Chain>,
    /// Our rules in chains that are not ours: jumps, and what Kuma puts there directly.
    pub hooks: Vec<Hook>,
}

/// A chain of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name, with our prefix.
    pub name: String,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

/// A rule of ours in a chain that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The chain that it stands in.
    pub chain: String,
    /// Place in that chain, counted from 1; `None` for a wanted hook, which goes where an earlier one stands, else to
    /// the end.
    pub position: Option<usize>,
    /// The rule.
    pub rule: Rule,
}

impl TableState {
    /// A table of which nothing is ours.
    #[must_use]
    pub fn empty(table: &str) -> Self {
        Self { table: table.to_owned(), chains: Vec::new(), hooks: Vec::new() }
    }

    /// Whether nothing of the table is ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.hooks.is_empty()
    }

    /// Our part of a saved table.
    #[must_use]
    pub fn of(saved: &SavedTable) -> Self {
        let mut state = Self::empty(&saved.name);
        for chain in &saved.chains {
            if chain.name.starts_with(CHAIN_PREFIX) {
                state.chains.push(Chain { name: chain.name.clone(), rules: chain.rules.clone() });
                continue;
            }
            for (index, rule) in chain.rules.iter().enumerate().filter(|(_, rule)| rule.is_ours()) {
                let (chain, rule) = (chain.name.clone(), rule.clone());
                state.hooks.push(Hook { chain, position: Some(index + 1), rule });
            }
        }
        state
    }

    /// Whether both mean the same installation, wherever the hooks stand.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let hooks = |state: &Self| -> Vec<(String, Rule)> {
            state.hooks.iter().map(|hook| (hook.chain.clone(), hook.rule.clone())).collect()
        };
        let same_chains = self.chains.len() == other.chains.len()
            && self.chains.iter().all(|chain| other.chain(&chain.name).is_some_and(|twin| twin == chain));
        let (mine, theirs) = (hooks(self), hooks(other));
        same_chains && mine.len() == theirs.len() && mine.iter().all(|hook| theirs.contains(hook))
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
