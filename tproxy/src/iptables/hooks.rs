//! Our rules in chains that are not ours: where they stand, where they belong, and the way from one to the other.
//!
//! Must never name a foreign rule, and never delete by number: another program may have changed the chain since it was
//! read.

use super::rule::Rule;

/// A rule of ours in a chain that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The chain that it stands in.
    pub chain: String,
    /// Where it stands, or belongs.
    pub place: Place,
    /// The rule.
    pub rule: Rule,
}

/// A place in a chain that other programs use, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Place {
    /// Whether a hook that stands here need not be moved to stand at `wanted`.
    fn serves(self, wanted: Self) -> bool {
        match (self, wanted) {
            (Self::Seen { behind, .. }, Self::First) => behind == 0,
            (Self::Seen { .. }, Self::Last) => true,
            (here, there) => here == there,
        }
    }

    fn position(self) -> Option<usize> {
        match self {
            Self::Seen { position, .. } => Some(position),
            Self::First | Self::Last => None,
        }
    }
}

/// The steps that lead from the hooks `from` to the hooks `to`, within one commit: what must go first, then what comes.
pub(super) fn steps<'a>(from: &'a [Hook], to: &'a [Hook]) -> Vec<Step<'a>> {
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
            Place::Last => {
                predecessor(hook, &leaving).map(|position| shifted(position, &hook.chain, &leaving, &added))
            }
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

/// Pairs of hooks, by index, that are the same rule and need not move. A repeated rule stays once.
fn kept(from: &[Hook], to: &[Hook]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (new, wanted) in to.iter().enumerate() {
        let twin = from.iter().enumerate().find(|(old, hook)| {
            !pairs.iter().any(|(taken, _)| taken == old)
                && hook.chain == wanted.chain
                && hook.rule == wanted.rule
                && hook.place.serves(wanted.place)
        });
        pairs.extend(twin.map(|(old, _)| (old, new)));
    }
    pairs
}

/// How many hooks before `index` belong first in `chain`, too.
fn first_ones(to: &[Hook], index: usize, chain: &str) -> usize {
    to.iter().take(index).filter(|hook| hook.chain == chain && hook.place == Place::First).count()
}

/// A new hook takes the place of one that leaves and had the same target, so that it keeps its side of foreign rules.
fn predecessor(hook: &Hook, leaving: &[&Hook]) -> Option<usize> {
    let twin = |old: &&&Hook| old.chain == hook.chain && old.rule.target() == hook.rule.target();
    leaving.iter().find(twin).and_then(|old| old.place.position())
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
