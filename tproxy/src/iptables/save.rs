//! Reads what `iptables-save` prints.
//!
//! Must never guess: a line that it cannot read is an error, since what is not understood cannot be left alone safely.

use super::rule::{Rule, words};

/// The text is not what iptables-save prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the saved rules cannot be read: {text}")]
pub struct SaveError {
    line: usize,
    text: String,
}

/// One table with all its chains and rules, ours and others'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedTable {
    /// `nat`, `raw`, …
    pub name: String,
    /// Chains in the order printed.
    pub chains: Vec<SavedChain>,
}

/// A chain and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedChain {
    /// Name.
    pub name: String,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

/// The tables of a save text. Comments and counters are passed over.
///
/// # Errors
/// A line that is none of: comment, table, chain, rule, `COMMIT`.
pub fn parse(text: &str) -> Result<Vec<SavedTable>, SaveError> {
    let mut tables: Vec<SavedTable> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let read = match line.chars().next() {
            None | Some('#') => Some(()),
            Some('*') if !open => {
                open = true;
                let name = line.trim_start_matches('*').trim().to_owned();
                tables.push(SavedTable { name, chains: Vec::new() });
                Some(())
            }
            Some(':') if open => tables.last_mut().and_then(|table| table.declare(line)),
            Some('-' | '[') if open => tables.last_mut().and_then(|table| table.append(line)),
            Some('C') if open && line == "COMMIT" => {
                open = false;
                Some(())
            }
            Some(_) => None,
        };
        if read.is_none() {
            return Err(SaveError { line: index + 1, text: line.to_owned() });
        }
    }
    Ok(tables)
}

impl SavedTable {
    fn declare(&mut self, line: &str) -> Option<()> {
        let name = line.strip_prefix(':')?.split_whitespace().next()?;
        self.chains.push(SavedChain { name: name.to_owned(), rules: Vec::new() });
        Some(())
    }

    /// `-A CHAIN rule`, with counters in front where they were asked for.
    fn append(&mut self, line: &str) -> Option<()> {
        let rule = if line.starts_with('[') { line.split_once(']')?.1 } else { line };
        let mut words = words(rule)?.into_iter();
        if words.next()? != "-A" {
            return None;
        }
        let chain = words.next()?;
        let chain = self.chains.iter_mut().find(|known| known.name == chain)?;
        chain.rules.push(Rule::from_words(words.collect()));
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
        assert_eq!(tables[0].chains[1].rules, [Rule::new("-j RETURN")]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let error = parse("*nat\n:A -\nwhat\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3 of the saved rules cannot be read: what");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([*:\\-\\[CA# \"\\\\]|[ -~]|\n){0,200}") {
            let _ = parse(&text);
        }
    }
}
