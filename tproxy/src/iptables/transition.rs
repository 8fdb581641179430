//! The commands that lead a table from one state of ours to another, in one commit.
//!
//! Chains are refilled, hooks are exchanged, and chains that nothing leads to any more are deleted last: one atomic batch,
//! in which an old installation is replaced in place. Must never name a rule or chain of other programs,
//! and never flush a table.

use std::collections::BTreeMap;
use std::fmt;

use super::hooks::{self, Step};
use super::rule::{Rule, quoted};
use super::state::{Chain, TableState};

/// One command of a restore text.
enum Command<'a> {
    /// Creates a chain, or empties it.
    Declare(&'a str),
    Append(&'a str, &'a Rule),
    /// In a chain that is not ours.
    Step(Step<'a>),
    Flush(&'a str),
    DeleteChain(&'a str),
}

/// Adds the restore text of one table; nothing when there is nothing to do.
pub(super) fn append(text: &mut String, from: &TableState, to: &TableState) {
    let mut commands = commands(from, to).peekable();
    if commands.peek().is_none() {
        return;
    }
    text.reserve(room(to));
    text.push_str(&format!("*{}\n", to.table));
    for command in commands {
        // Writing to a string cannot fail.
        let _ = fmt::Write::write_fmt(text, format_args!("{command}\n"));
    }
    text.push_str("COMMIT\n");
}

/// About as much as filling all chains takes. A text that grows again and again takes twice its size.
fn room(to: &TableState) -> usize {
    let chain = |chain: &Chain| {
        let rules = chain.rules.iter().map(|rule| rule.length() + chain.name.len() + "-A  \n".len());
        rules.sum::<usize>() + chain.name.len() + ": - [0:0]\n".len()
    };
    to.chains.iter().map(chain).sum()
}

/// One after the other: there may be 100,000.
fn commands<'a>(from: &'a TableState, to: &'a TableState) -> impl Iterator<Item = Command<'a>> {
    let (before, behind) = (by_name(from), by_name(to));
    let is_changed = |chain: &&Chain| before.get(chain.name.as_str()).is_none_or(|old| *old != *chain);
    let changed: Vec<&Chain> = to.chains.iter().filter(is_changed).collect();
    let is_gone = |chain: &&Chain| !behind.contains_key(chain.name.as_str());
    let gone: Vec<&Chain> = from.chains.iter().filter(is_gone).collect();
    let declared = changed.clone().into_iter().map(|chain| Command::Declare(&chain.name));
    let filled = changed.into_iter().flat_map(|chain| {
        let append = |rule| Command::Append(&chain.name, rule);
        chain.rules.iter().map(append)
    });
    let steps = hooks::steps(&from.hooks, &to.hooks, &from.others).into_iter().map(Command::Step);
    let flushed = gone.clone().into_iter().map(|chain| Command::Flush(&chain.name));
    let deleted = gone.into_iter().map(|chain| Command::DeleteChain(&chain.name));
    declared.chain(filled).chain(steps).chain(flushed).chain(deleted)
}

fn by_name(table: &TableState) -> BTreeMap<&str, &Chain> {
    table.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect()
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declare(chain) => write!(f, ":{chain} - [0:0]"),
            Self::Append(chain, rule) => write!(f, "-A {} {rule}", quoted(chain)),
            Self::Step(Step::Delete(hook)) => write!(f, "-D {} {}", quoted(&hook.chain), hook.rule),
            Self::Step(Step::Insert(position, hook)) => {
                write!(f, "-I {} {position} {}", quoted(&hook.chain), hook.rule)
            }
            Self::Step(Step::Append(hook)) => write!(f, "-A {} {}", quoted(&hook.chain), hook.rule),
            Self::Flush(chain) => write!(f, "-F {}", quoted(chain)),
            Self::DeleteChain(chain) => write!(f, "-X {}", quoted(chain)),
        }
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
