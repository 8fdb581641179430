//! The commands that lead a table from one state of ours to another, in one commit.
//!
//! Chains are refilled, hooks are added before old ones are deleted, and chains are deleted last, so that the text works
//! as one atomic batch and an old installation is replaced in place. Must never name a rule or chain of other programs,
//! and never flush a table.

use super::rule::{Rule, quoted};
use super::state::{Hook, TableState};

/// One command of a restore text.
enum Command<'a> {
    /// Creates a chain, or empties it.
    Declare(&'a str),
    Append(&'a str, &'a Rule),
    Insert(&'a str, usize, &'a Rule),
    Delete(&'a str, &'a Rule),
    Flush(&'a str),
    DeleteChain(&'a str),
}

/// The restore text of one table; `None` when there is nothing to do.
pub(super) fn text(from: &TableState, to: &TableState) -> Option<String> {
    let commands = commands(from, to);
    if commands.is_empty() {
        return None;
    }
    let mut text = format!("*{}\n", to.table);
    for command in commands {
        text.push_str(&command.text());
        text.push('\n');
    }
    text.push_str("COMMIT\n");
    Some(text)
}

fn commands<'a>(from: &'a TableState, to: &'a TableState) -> Vec<Command<'a>> {
    let mut commands = Vec::new();
    let changed = || to.chains.iter().filter(|chain| from.chain(&chain.name) != Some(*chain));
    commands.extend(changed().map(|chain| Command::Declare(&chain.name)));
    for chain in changed() {
        commands.extend(chain.rules.iter().map(|rule| Command::Append(&chain.name, rule)));
    }
    for hook in surplus(&to.hooks, &from.hooks) {
        let place = hook.position.or_else(|| place_of_predecessor(hook, from));
        commands.push(match place {
            Some(position) => Command::Insert(&hook.chain, position, &hook.rule),
            None => Command::Append(&hook.chain, &hook.rule),
        });
    }
    commands.extend(surplus(&from.hooks, &to.hooks).map(|hook| Command::Delete(&hook.chain, &hook.rule)));
    let gone = || from.chains.iter().filter(|chain| to.chain(&chain.name).is_none());
    commands.extend(gone().map(|chain| Command::Flush(&chain.name)));
    commands.extend(gone().map(|chain| Command::DeleteChain(&chain.name)));
    commands
}

/// The hooks of `these` that `those` lack, counting repetitions.
fn surplus<'a>(these: &'a [Hook], those: &[Hook]) -> impl Iterator<Item = &'a Hook> {
    let mut unmatched: Vec<(String, Rule)> =
        those.iter().map(|hook| (hook.chain.clone(), hook.rule.clone())).collect();
    these.iter().filter(move |hook| {
        let twin = unmatched.iter().position(|(chain, rule)| *chain == hook.chain && *rule == hook.rule);
        match twin {
            Some(at) => {
                unmatched.swap_remove(at);
                false
            }
            None => true,
        }
    })
}

/// A new hook takes the place of an earlier one with the same target, so that it keeps its side of foreign rules.
fn place_of_predecessor(hook: &Hook, from: &TableState) -> Option<usize> {
    let twin = |old: &&Hook| old.chain == hook.chain && old.rule.target() == hook.rule.target();
    from.hooks.iter().find(twin).and_then(|old| old.position)
}

impl Command<'_> {
    fn text(&self) -> String {
        match self {
            Self::Declare(chain) => format!(":{chain} - [0:0]"),
            Self::Append(chain, rule) => format!("-A {} {rule}", quoted(chain)),
            Self::Insert(chain, position, rule) => format!("-I {} {position} {rule}", quoted(chain)),
            Self::Delete(chain, rule) => format!("-D {} {rule}", quoted(chain)),
            Self::Flush(chain) => format!("-F {}", quoted(chain)),
            Self::DeleteChain(chain) => format!("-X {}", quoted(chain)),
        }
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
