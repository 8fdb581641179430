//! The commands that lead a table from one state of ours to another, in one commit.
//!
//! Chains are refilled, hooks are exchanged, and chains that nothing leads to any more are deleted last: one atomic batch,
//! in which an old installation is replaced in place. Must never name a rule or chain of other programs,
//! and never flush a table.

use super::hooks::{self, Step};
use super::rule::{Rule, quoted};
use super::state::TableState;

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
    commands.extend(hooks::steps(&from.hooks, &to.hooks, &from.others).into_iter().map(Command::Step));
    let gone = || from.chains.iter().filter(|chain| to.chain(&chain.name).is_none());
    commands.extend(gone().map(|chain| Command::Flush(&chain.name)));
    commands.extend(gone().map(|chain| Command::DeleteChain(&chain.name)));
    commands
}

impl Command<'_> {
    fn text(&self) -> String {
        match self {
            Self::Declare(chain) => format!(":{chain} - [0:0]"),
            Self::Append(chain, rule) => format!("-A {} {rule}", quoted(chain)),
            Self::Step(Step::Delete(hook)) => format!("-D {} {}", quoted(&hook.chain), hook.rule),
            Self::Step(Step::Insert(position, hook)) => {
                format!("-I {} {position} {}", quoted(&hook.chain), hook.rule)
            }
            Self::Step(Step::Append(hook)) => format!("-A {} {}", quoted(&hook.chain), hook.rule),
            Self::Flush(chain) => format!("-F {}", quoted(chain)),
            Self::DeleteChain(chain) => format!("-X {}", quoted(chain)),
        }
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
