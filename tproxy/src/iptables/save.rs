//! Reads what `iptables-save` prints.
//!
//! Must never guess: a line that it cannot read is an error where something of ours may stand in it, since what is not
//! understood cannot be left alone safely.

use std::collections::BTreeMap;

use serde::Serialize;

use super::printed::{self, Printed};
use super::rule::Rule;
use super::{CHAIN_PREFIX, COMMENT_PREFIX, Tool};
use crate::diagnostic::shortened;

/// The text does not tell which rules there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// It is not what iptables-save prints.
    #[error("line {line} of the saved rules cannot be read: {text}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// It ends in the middle of a table.
    #[error("the saved rules end before table {0} does")]
    Cut(String),
    /// Another program put something into a table that iptables cannot show, so that nobody knows what else is there.
    #[error("{0} (another program has put rules there that iptables cannot show; remove or move them first)")]
    Incompatible(String),
}

/// How iptables over nf_tables says that it cannot show a table; the exit code tells nothing.
const INCOMPATIBLE: &str = "is incompatible, use 'nft' tool";

/// One table with all its chains and rules, ours and others'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedTable {
    /// `nat`, `raw`, …; each comes once.
    pub name: String,
    /// Chains in the order printed, each once.
    pub chains: Vec<SavedChain>,
}

/// A chain and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedChain {
    /// Name.
    pub name: String,
    /// Rules in order.
    pub rules: Vec<Rule>,
    /// What each of them counted; zeros where counters were not asked for.
    pub counters: Vec<Counters>,
}

/// What a rule counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a pair of programs shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The programs.
    pub tool: Tool,
    /// The tables; in its words why a program is useless that can do nothing here at all.
    pub tables: Result<Vec<SavedTable>, String>,
}

/// The tables of a save text. Comments are passed over, as are the counters of built-in chains.
///
/// # Errors
/// A line that is none of: comment, table, chain, rule, `COMMIT`; a table without its end, or one that is not shown.
pub fn parse(text: &str) -> Result<Vec<SavedTable>, SaveError> {
    let mut reader = Reader::default();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while let Some(rest) = lines.get(at..).filter(|rest| !rest.is_empty()) {
        let line = rest.first().map_or("", |line| line.trim());
        if is_hidden(line) {
            return Err(SaveError::Incompatible(line.trim_start_matches(['#', ' ']).to_owned()));
        }
        let Some(taken) = reader.read(line, rest) else {
            return Err(SaveError::Line { line: at + 1, text: shortened(line) });
        };
        at += taken;
    }
    match reader.tables.last() {
        Some(last) if reader.open => Err(SaveError::Cut(last.name.clone())),
        _ => Ok(reader.tables),
    }
}

/// The tables so far.
#[derive(Default)]
struct Reader {
    tables: Vec<SavedTable>,
    /// Whether the last one goes on.
    open: bool,
    /// Where in it the chains are, by name: there may be as many as rules.
    places: BTreeMap<String, usize>,
}

impl Counters {
    /// `packets:bytes`.
    fn read(text: &str) -> Option<Self> {
        let (packets, bytes) = text.split_once(':')?;
        Some(Self { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
    }
}

/// Whether a line says that a table is not shown in which something of ours could be.
fn is_hidden(line: &str) -> bool {
    let of_ours = ["raw", "nat", "mangle"].iter().any(|table| line.contains(&format!("`{table}'")));
    line.starts_with('#') && line.contains(INCOMPATIBLE) && of_ours
}

impl Reader {
    /// Takes one line in, and those of `rest` behind it that belong to it; says how many, or `None` when it makes no
    /// sense where it stands.
    fn read(&mut self, line: &str, rest: &[&str]) -> Option<usize> {
        match line.chars().next() {
            None | Some('#') => Some(1),
            Some('*') if !self.open => {
                self.open = true;
                self.places.clear();
                let name = line.trim_start_matches('*').trim().to_owned();
                if self.tables.iter().any(|table| table.name == name) {
                    return None;
                }
                self.tables.push(SavedTable { name, chains: Vec::new() });
                Some(1)
            }
            Some(':') if self.open => self.declare(line),
            Some('-' | '[') if self.open => self.append(rest),
            Some('C') if self.open && line == END => {
                self.open = false;
                Some(1)
            }
            Some(_) => None,
        }
    }

    fn declare(&mut self, line: &str) -> Option<usize> {
        let name = line.strip_prefix(':')?.split_whitespace().next()?.to_owned();
        let chains = &mut self.tables.last_mut()?.chains;
        if self.places.insert(name.clone(), chains.len()).is_some() {
            return None;
        }
        chains.push(SavedChain { name, rules: Vec::new(), counters: Vec::new() });
        Some(1)
    }

    /// `-A CHAIN rule`, with counters in front where they were asked for.
    fn append(&mut self, lines: &[&str]) -> Option<usize> {
        let line = lines.first()?.trim_start();
        let (counters, command) = match line.strip_prefix('[') {
            Some(line) => line.split_once(']').map(|(counters, rule)| (Counters::read(counters), rule))?,
            None => (None, line),
        };
        let rule = command.trim_start().strip_prefix("-A ")?;
        let (name, rule) = rule.trim_end().split_once(' ').unwrap_or((rule.trim_end(), ""));
        let place = *self.places.get(name)?;
        let (rule, taken) = one_rule(rule, lines.get(1..).unwrap_or_default())?;
        let chain = self.tables.last_mut()?.chains.get_mut(place)?;
        chain.rules.push(rule);
        chain.counters.push(counters.unwrap_or_default());
        Some(taken)
    }
}

/// How a table ends.
const END: &str = "COMMIT";
/// Bytes within which a rule with line breaks ends: a comment has 256, and may be escaped.
const LONGEST: usize = 4096;

/// The rule that begins with `first`, and of how many lines it is: a text or a name may hold line breaks. A line that does
/// not read as a rule, and does not mention our names, is another program's: it is left alone, as one word.
fn one_rule(first: &str, behind: &[&str]) -> Option<(Rule, usize)> {
    // No program prints a NUL.
    if first.contains('\0') {
        return None;
    }
    let mut text = first.to_owned();
    let mut taken = 0;
    loop {
        let printed = printed::read(&text);
        let next = behind.get(taken).filter(|_| text.len() < LONGEST);
        let next = match (printed, next) {
            (Printed::WholeOrOpen(_), Some(next)) if begins_nothing(next) => next,
            (Printed::Whole(rule) | Printed::WholeOrOpen(rule), _) => return Some((rule, taken + 1)),
            (Printed::Open, Some(next)) => next,
            (Printed::Open, None) | (Printed::Unreadable, _) => break,
        };
        text.push('\n');
        text.push_str(next);
        taken += 1;
    }
    let may_be_ours = [CHAIN_PREFIX, COMMENT_PREFIX].iter().any(|name| first.contains(name));
    (!may_be_ours).then(|| (Rule::from_words([first]), 1))
}

/// Whether a line makes no sense by itself.
fn begins_nothing(line: &str) -> bool {
    !line.is_empty() && line != END && !line.starts_with(['*', ':', '#', '-', '['])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tables_chains_and_rules_are_read_in_order() {
        let text =
            "# by\n*nat\n:OUTPUT ACCEPT [1:60]\n:X - [0:0]\n[3:180] -A OUTPUT -j X\n-A X -j RETURN\nCOMMIT\n";
        let tables = parse(text).unwrap();
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].chains[0].rules, [Rule::new("-j X")]);
        assert_eq!(tables[0].chains[0].counters, [Counters { packets: 3, bytes: 180 }]);
        assert_eq!(tables[0].chains[1].rules, [Rule::new("-j RETURN")]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let error = parse("*nat\n:A -\nwhat\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3 of the saved rules cannot be read: what");
    }

    #[test]
    fn a_chain_or_table_that_comes_twice_is_not_understood() {
        // No iptables-save prints that; which of the two is meant would be guessed. Found by fuzzing.
        assert!(parse("*nat\n:A - [0:0]\n:A - [0:0]\nCOMMIT\n").unwrap_err().to_string().contains("line 3"));
        assert!(parse("*nat\nCOMMIT\n*nat\nCOMMIT\n").unwrap_err().to_string().contains("line 3"));
        assert_eq!(parse("*nat\n:A - [0:0]\nCOMMIT\n*raw\n:A - [0:0]\nCOMMIT\n").unwrap().len(), 2);
    }

    #[test]
    fn a_line_break_between_quotes_belongs_to_the_rule() {
        let text = "*nat\n:A - [0:0]\n-A A -m comment --comment \"two\nlines\" -j X\nCOMMIT\n";
        assert_eq!(parse(text).unwrap()[0].chains[0].rules[0].comment(), Some("two\nlines"));
    }

    #[test]
    fn what_is_not_whole_is_not_believed() {
        assert_eq!(parse("*nat\n:A - [0:0]\n"), Err(SaveError::Cut("nat".to_owned())));
        let said = parse("# Table `nat' is incompatible, use 'nft' tool.\n").unwrap_err().to_string();
        assert!(said.starts_with("Table `nat' is incompatible"), "{said}");
        assert_eq!(parse("# Table `filter' is incompatible, use 'nft' tool.\n"), Ok(Vec::new()));
    }

    #[test]
    fn no_foreign_line_hides_ours_or_stands_in_the_way() {
        let ours =
            "-A OUTPUT -p tcp -m comment --comment \"kuma/mesh/transparent/proxy/x\" -j KUMA_MESH_OUTBOUND";
        for foreign in [
            "-A OUTPUT -o we\"ird -j RETURN",
            "-A OUTPUT ! -o \"x -j RETURN",
            "-A OUTPUT -o a\nb -p tcp -j RETURN",
            "-A OUTPUT -o a\nb",
            "-A OUTPUT -j \"q",
            "-A OUTPUT -m set --match-set \"a dst -j RETURN",
            "-A OUTPUT -m comment --comment \"two\n-A OUTPUT lines \\\"\n\" -j RETURN",
        ] {
            let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n{foreign}\n{ours}\n{foreign}\nCOMMIT\n");
            let rules = parse(&text)
                .unwrap_or_else(|error| panic!("{foreign}: {error}"))
                .remove(0)
                .chains
                .remove(0)
                .rules;
            let ours: Vec<bool> = rules.iter().map(Rule::is_ours).collect();
            assert_eq!(ours, [false, true, false], "{foreign}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_and_may_be_ours_is_named() {
        let line = "-A OUTPUT -m set --match-set \"a dst -j KUMA_MESH_OUTBOUND";
        let error = parse(&format!("*nat\n:OUTPUT ACCEPT [0:0]\n{line}\nCOMMIT\n")).unwrap_err();
        assert_eq!(error.to_string(), format!("line 3 of the saved rules cannot be read: {line}"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([*:\\-\\[CA# \"\\\\]|[ -~]|\n){0,200}") {
            let _ = parse(&text);
        }
    }
}
