//! Our rules in chains that are not ours: where they stand, where they belong, and the way from one to the other.
//!
//! Must never name a foreign rule, and never delete by number: another program may have changed the chain since it was
//! read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::{CHAIN_PREFIX, COMMENT_PREFIX};

/// The chains from which tproxy and Kuma jump to chains of ours.
const JUMPING: [&str; 2] = ["PREROUTING", "OUTPUT"];
/// How they do it, without comments.
const JUMPS: [&str; 5] = [
    "-j *",
    "-p tcp -j *",
    "-p udp -j *",
    "-p udp -m udp --dport 53 -j *",
    "-m conntrack --ctstate INVALID -j *",
];

/// A rule of ours in a chain that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The chain that it stands in.
    pub chain: String,
    /// Where it stands, or belongs.
    pub place: Place,
    /// The rule.
    pub rule: Rule,
}

/// A place in a chain that other programs use, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Seen at this place, counted from 1, behind so many foreign rules.
    Seen {
        /// From 1.
        position: usize,
        /// Foreign rules before it.
        behind: usize,
    },
    /// Wanted before all foreign rules.
    First,
    /// Wanted behind the foreign rules that are there when it is first installed; it stays where it is found later.
    Last,
    /// Wanted behind all foreign rules, wherever it is found.
    End,
    /// Wanted behind so many foreign rules, which were there when it was installed, or fewer.
    Behind(usize),
}

/// One step in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Delete the first rule that reads so.
    Delete(&'a Hook),
    /// Insert at this position.
    Insert(usize, &'a Hook),
    /// Put at the end.
    Append(&'a Hook),
}

impl Hook {
    /// Whether another program, or somebody, made it: neither tproxy nor Kuma jumps to a chain of ours so.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let leads_to_ours = self.rule.target().is_some_and(|target| target.starts_with(CHAIN_PREFIX));
        let says_ours = || self.rule.comment().is_some_and(|comment| comment.starts_with(COMMENT_PREFIX));
        let reads_like_ours = || {
            let is_such = JUMPS.iter().any(|shape| self.rule.reads_like(shape));
            is_such && JUMPING.contains(&self.chain.as_str())
        };
        leads_to_ours && !says_ours() && !reads_like_ours()
    }

    /// Whether it leads from the same chain to the same target.
    pub(super) fn is_twin_of(&self, other: &Self) -> bool {
        self.chain == other.chain && self.rule.target() == other.rule.target()
    }
}

impl Place {
    /// Whether a hook that stands here need not be moved to stand at `wanted`.
    fn serves(self, wanted: Self) -> bool {
        match (self, wanted) {
            (Self::Seen { behind, .. }, Self::First) => behind == 0,
            (Self::Seen { .. }, Self::Last) => true,
            (Self::Seen { behind, .. }, Self::Behind(most)) => behind <= most,
            (here, there) => here == there,
        }
    }

    fn position(self) -> Option<usize> {
        match self {
            Self::Seen { position, .. } => Some(position),
            Self::First | Self::Last | Self::End | Self::Behind(_) => None,
        }
    }

    /// How many foreign rules stand, or may stand, before a hook at this place; `None` where that is not known.
    #[must_use]
    pub fn behind(self) -> Option<usize> {
        match self {
            Self::Seen { behind, .. } | Self::Behind(behind) => Some(behind),
            Self::First => Some(0),
            Self::Last | Self::End => None,
        }
    }
}

/// The steps that lead from the hooks `from` to the hooks `to`, within one commit: what must go first, then what comes.
/// `others` are the foreign rules of each chain.
pub(super) fn steps<'a>(from: &'a [Hook], to: &'a [Hook], others: &BTreeMap<String, usize>) -> Vec<Step<'a>> {
    let kept = kept(from, to);
    let leaving: Vec<&Hook> = from
        .iter()
        .enumerate()
        .filter(|(index, _)| !kept.iter().any(|(old, _)| old == index))
        .map(|(_, hook)| hook)
        .collect();
    let mut steps: Vec<Step<'_>> = leaving.iter().map(|hook| Step::Delete(hook)).collect();
    let mut added: Vec<(&str, usize)> = Vec::new();
    for (index, hook) in to.iter().enumerate() {
        if kept.iter().any(|(_, new)| *new == index) {
            continue;
        }
        let target = match hook.place {
            Place::Seen { position, .. } => Some(position),
            // Behind those of ours that were put first before it.
            Place::First => Some(1 + first_ones(to, index, &hook.chain)),
            Place::Last => after_predecessors(to, index, &leaving)
                .map(|position| shifted(position, &hook.chain, &leaving, &added)),
            Place::End => None,
            Place::Behind(_) => behind(to, index, &leaving, others)
                .map(|foreign| foreign + 1 + added.iter().filter(|(chain, _)| *chain == hook.chain).count()),
        };
        steps.push(match target {
            Some(position) => {
                added.push((&hook.chain, position));
                Step::Insert(position, hook)
            }
            None => Step::Append(hook),
        });
    }
    steps
}

/// How many foreign rules a hook is to be put behind, so that it stands before those of ours that follow it; `None` where
/// that is all that there are.
fn behind(to: &[Hook], index: usize, leaving: &[&Hook], others: &BTreeMap<String, usize>) -> Option<usize> {
    let foreign = followers(to, index).filter_map(|hook| {
        let now = twin(hook, leaving).and_then(|old| old.place.behind());
        now.into_iter().chain(hook.place.behind()).min()
    });
    let all = to.get(index).and_then(|hook| others.get(&hook.chain)).copied().unwrap_or_default();
    foreign.min().filter(|foreign| *foreign < all)
}

/// The hook at `index` and those of its chain behind it.
fn followers(to: &[Hook], index: usize) -> impl Iterator<Item = &Hook> {
    let chain = to.get(index).map(|hook| hook.chain.as_str());
    to.iter().skip(index).filter(move |hook| Some(hook.chain.as_str()) == chain)
}

/// The hooks `to` with the side of foreign rules on which each stands once they were applied over `from`.
pub(super) fn settled(from: &[Hook], to: Vec<Hook>, others: &BTreeMap<String, usize>) -> Vec<Hook> {
    let kept = kept(from, &to);
    let before: Vec<&Hook> = from.iter().collect();
    let settle = |(index, hook): (usize, Hook)| {
        let same = kept.iter().find(|(_, new)| *new == index).and_then(|(old, _)| from.get(*old));
        let side = match (same, hook.place) {
            (_, Place::First) => Some(0),
            (_, Place::End) => Some(others.get(&hook.chain).copied().unwrap_or_default()),
            (Some(same), _) => same.place.behind(),
            (None, place) => {
                let now = twin(&hook, &before).and_then(|old| old.place.behind());
                let all = others.get(&hook.chain).copied().unwrap_or_default();
                Some(now.into_iter().chain(place.behind()).min().unwrap_or(all))
            }
        };
        let place = match hook.place {
            Place::First => Place::First,
            place => side.map_or(place, Place::Behind),
        };
        Hook { place, ..hook }
    };
    to.into_iter().enumerate().map(settle).collect()
}

/// The hooks `to` as they stand once they were applied over `from`: those that stay keep their seen places.
pub(super) fn applied(from: &[Hook], to: &[Hook]) -> Vec<Hook> {
    let kept = kept(from, to);
    let place = |index: usize, wanted: Place| {
        let old = kept.iter().find(|(_, new)| *new == index).and_then(|(old, _)| from.get(*old));
        old.map_or(wanted, |old| old.place)
    };
    to.iter()
        .enumerate()
        .map(|(index, hook)| Hook { place: place(index, hook.place), ..hook.clone() })
        .collect()
}

/// The hooks `before`, as they were seen, with the places that they get when they come back over the hooks `now`: behind as
/// many foreign rules as then, and those that came before ours meanwhile, or behind all that are left. `installed` are
/// the hooks of `now` as they were when these were put there, `others` the foreign rules of each chain.
pub(super) fn returned(
    before: &[Hook],
    installed: &[Hook],
    now: &[Hook],
    others: &BTreeMap<String, usize>,
) -> Vec<Hook> {
    let (now, installed): (Vec<&Hook>, Vec<&Hook>) = (now.iter().collect(), installed.iter().collect());
    let came_before = |hook: &Hook| {
        let behind = |hooks: &[&Hook]| twin(hook, hooks)?.place.behind();
        Some((behind(&now)?, behind(&installed)?))
    };
    let mut last: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut hooks = Vec::new();
    for hook in before {
        let all = others.get(&hook.chain).copied().unwrap_or_default();
        let (seen, settled) = came_before(hook).unwrap_or_default();
        let behind = (hook.place.behind().unwrap_or(all) + seen).saturating_sub(settled);
        // None comes to stand before one of ours that it stood behind.
        let (ours, least) = last.get(hook.chain.as_str()).copied().unwrap_or_default();
        let (position, behind) = (ours + 1, behind.min(all).max(least));
        hooks.push(Hook { place: Place::Seen { position: position + behind, behind }, ..hook.clone() });
        last.insert(&hook.chain, (position, behind));
    }
    hooks
}

/// Pairs of hooks, by index, that are the same rule and need not move. A repeated rule stays once. Where hooks of a chain
/// stand in the wrong order, or one of those that need not come first is missing or on the wrong side of foreign rules, none
/// of that chain stays: all are put there again, in order.
fn kept(from: &[Hook], to: &[Hook]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut anew: Vec<&str> = Vec::new();
    for (new, wanted) in to.iter().enumerate() {
        let twin = from.iter().enumerate().find(|(old, hook)| {
            !pairs.iter().any(|(taken, _)| taken == old)
                && hook.chain == wanted.chain
                && hook.rule == wanted.rule
                && hook.place.serves(wanted.place)
        });
        let Some((old, _)) = twin else {
            if matches!(wanted.place, Place::Last | Place::End | Place::Behind(_)) {
                anew.push(&wanted.chain);
            }
            continue;
        };
        let is_of_chain = |index: &usize| from.get(*index).is_some_and(|hook| hook.chain == wanted.chain);
        if pairs.iter().any(|(before, _)| *before > old && is_of_chain(before)) {
            anew.push(&wanted.chain);
        }
        pairs.push((old, new));
    }
    pairs.retain(|(_, new)| to.get(*new).is_some_and(|hook| !anew.contains(&hook.chain.as_str())));
    pairs
}

/// How many hooks before `index` belong first in `chain`, too.
fn first_ones(to: &[Hook], index: usize, chain: &str) -> usize {
    to.iter().take(index).filter(|hook| hook.chain == chain && hook.place == Place::First).count()
}

/// A new hook takes the place of one that leaves and had the same target, so that it keeps its side of foreign rules; or
/// that of one that follows it, where that comes first.
fn after_predecessors(to: &[Hook], index: usize, leaving: &[&Hook]) -> Option<usize> {
    let positions = followers(to, index).filter_map(|hook| twin(hook, leaving));
    positions.filter_map(|old| old.place.position()).min()
}

fn twin<'a>(hook: &Hook, hooks: &[&'a Hook]) -> Option<&'a Hook> {
    hooks.iter().find(|old| old.is_twin_of(hook)).copied()
}

/// A seen position once `leaving` are gone and others were inserted.
fn shifted(position: usize, chain: &str, leaving: &[&Hook], added: &[(&str, usize)]) -> usize {
    let gone = leaving.iter().filter(|hook| hook.chain == chain);
    let gone = gone.filter(|hook| hook.place.position().is_some_and(|other| other < position)).count();
    let mut position = position.saturating_sub(gone);
    for (other, at) in added {
        if *other == chain && *at <= position {
            position += 1;
        }
    }
    position
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("OUTPUT", "-p tcp -j KUMA_MESH_OUTBOUND", false)]
    #[case("OUTPUT", "-p udp -m udp --dport 53 -j KUMA_MESH_DNS", false)]
    #[case("PREROUTING", "-m conntrack --ctstate INVALID -j KUMA_MESH_INVALID", false)]
    #[case("PREROUTING", "-i br0 -m comment --comment kuma/mesh/transparent/proxy/x -j KUMA_MESH_X", false)]
    #[case("OUTPUT", "-p udp -j REDIRECT", false)]
    #[case("PREROUTING", "-i br0 -p tcp -j KUMA_MESH_INBOUND", true)]
    #[case("PREROUTING", "-m comment --comment mine -p tcp -j KUMA_MESH_INBOUND", true)]
    #[case("DOCKER", "-p tcp -j KUMA_MESH_INBOUND", true)]
    fn a_jump_to_our_chains_is_foreign_where_neither_tproxy_nor_kuma_jumps_so(
        #[case] chain: &str,
        #[case] rule: &str,
        #[case] is_foreign: bool,
    ) {
        let place = Place::Seen { position: 1, behind: 0 };
        assert_eq!(Hook { chain: chain.to_owned(), place, rule: Rule::new(rule) }.is_foreign(), is_foreign);
    }
}
