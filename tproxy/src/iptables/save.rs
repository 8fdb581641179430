//! Reads what `iptables-save` prints.
//!
//! Must never guess: a line that it cannot read is an error, since what is not understood cannot be left alone safely.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Tool;
use super::rule::{Quotes, Rule, words};
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
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut line = line.trim().to_owned();
        // A comment match may hold line breaks: they stand between quotes.
        let mut quotes = Quotes::default();
        quotes.go_on(&line);
        while line.starts_with(['-', '[']) && quotes.are_open() {
            let Some((_, next)) = lines.next() else { break };
            for part in ["\n", next] {
                line.push_str(part);
                quotes.go_on(part);
            }
        }
        if is_hidden(&line) {
            return Err(SaveError::Incompatible(line.trim_start_matches(['#', ' ']).to_owned()));
        }
        if reader.read(&line).is_none() {
            return Err(SaveError::Line { line: index + 1, text: shortened(&line) });
        }
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
    /// Takes one line in; `None` when it makes no sense where it stands.
    fn read(&mut self, line: &str) -> Option<()> {
        match line.chars().next() {
            None | Some('#') => Some(()),
            Some('*') if !self.open => {
                self.open = true;
                self.places.clear();
                let name = line.trim_start_matches('*').trim().to_owned();
                if self.tables.iter().any(|table| table.name == name) {
                    return None;
                }
                self.tables.push(SavedTable { name, chains: Vec::new() });
                Some(())
            }
            Some(':') if self.open => self.declare(line),
            Some('-' | '[') if self.open => self.append(line),
            Some('C') if self.open && line == "COMMIT" => {
                self.open = false;
                Some(())
            }
            Some(_) => None,
        }
    }

    fn declare(&mut self, line: &str) -> Option<()> {
        let name = line.strip_prefix(':')?.split_whitespace().next()?.to_owned();
        let chains = &mut self.tables.last_mut()?.chains;
        if self.places.insert(name.clone(), chains.len()).is_some() {
            return None;
        }
        chains.push(SavedChain { name, rules: Vec::new(), counters: Vec::new() });
        Some(())
    }

    /// `-A CHAIN rule`, with counters in front where they were asked for.
    fn append(&mut self, line: &str) -> Option<()> {
        let (counters, rule) = match line.strip_prefix('[') {
            Some(line) => line.split_once(']').map(|(counters, rule)| (Counters::read(counters), rule))?,
            None => (None, line),
        };
        let mut words = words(rule)?.into_iter();
        if words.next()? != "-A" {
            return None;
        }
        let place = *self.places.get(&words.next()?)?;
        let chain = self.tables.last_mut()?.chains.get_mut(place)?;
        chain.rules.push(Rule::from_words(words));
        chain.counters.push(counters.unwrap_or_default());
        Some(())
    }
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

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([*:\\-\\[CA# \"\\\\]|[ -~]|\n){0,200}") {
            let _ = parse(&text);
        }
    }
}
