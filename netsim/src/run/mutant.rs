//! Rules of tproxy that are taken away behind its back, to see whether a scenario notices.
//!
//! Must never touch a rule of anybody else, nor one outside the variant's family.

use std::collections::BTreeSet;
use std::fmt;

use tproxy::iptables::CHAIN_PREFIX;
use tproxy::iptables::rule::{self, Rule};

use super::stage::Stage;
use super::{RunError, rules_program};
use crate::node::{Finished, Program};

/// A rule of tproxy's, without its comment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutant {
    table: String,
    chain: String,
    rule: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.table, self.chain, self.rule)
    }
}

/// What is done behind tproxy's back after each installation.
#[derive(Debug, Clone)]
pub(super) enum Mutation {
    /// Nothing.
    None,
    /// Its rules are looked at.
    Look,
    /// One of them is deleted, if it is there.
    Delete(Mutant),
}

impl Mutation {
    /// Carries it out, and tells the rules that were there if they were to be looked at.
    pub(super) fn carry_out(&self, stage: &Stage) -> Result<BTreeSet<Mutant>, RunError> {
        match self {
            Self::None => Ok(BTreeSet::new()),
            Self::Look => {
                let saved = stage.rules_of_family()?;
                Ok(found(&saved).into_iter().map(|(mutant, _)| mutant).collect())
            }
            Self::Delete(wanted) => {
                let saved = stage.rules_of_family()?;
                if let Some((_, position)) = found(&saved).into_iter().find(|(mutant, _)| mutant == wanted) {
                    let Mutant { table, chain, .. } = wanted;
                    let text = format!("*{table}\n-D {chain} {position}\nCOMMIT\n");
                    let program = rules_program(stage, "restore");
                    Program::new(&program)
                        .arg("--noflush")
                        .stdin(text)
                        .run(stage.pod()?)
                        .and_then(Finished::checked)?;
                }
                Ok(BTreeSet::new())
            }
        }
    }
}

/// The rules of tproxy's in what iptables-save prints, each with its position in its chain.
fn found(saved: &str) -> Vec<(Mutant, usize)> {
    let (mut table, mut chain, mut position) = (String::new(), String::new(), 0);
    let mut found = Vec::new();
    for line in saved.lines() {
        // Counters come first.
        let line = line
            .split_once("] ")
            .filter(|(before, _)| before.starts_with('['))
            .map_or(line, |(_, rest)| rest);
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
            chain.clear();
        }
        let Some(mut words) = line.strip_prefix("-A ").and_then(rule::words) else { continue };
        if words.is_empty() {
            continue;
        }
        let name = words.remove(0);
        position = if name == chain { position + 1 } else { 1 };
        chain = name;
        let rule = Rule::from_words(words.clone());
        if chain.starts_with(CHAIN_PREFIX) || rule.is_ours() {
            let rule = Rule::from_words(without_comment(words)).to_string();
            found.push((Mutant { table: table.clone(), chain: chain.clone(), rule }, position));
        }
    }
    found
}

/// A comment makes no rule another: its digest differs from one installation to the next.
fn without_comment(mut words: Vec<String>) -> Vec<String> {
    let matches = |words: &[String]| matches!(words, [m, comment, option, _] if m == "-m" && comment == "comment" && option == "--comment");
    if let Some(at) = words.windows(4).position(matches) {
        words.drain(at..at + 4);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_rules_are_found_with_their_places_and_nobody_elses() {
        let saved = "*nat\n:OUTPUT ACCEPT [0:0]\n:KUMA_MESH_X - [0:0]\n[0:0] -A OUTPUT -p tcp -j ACCEPT\n\
                     [1:60] -A OUTPUT -p tcp -m comment --comment \"kuma/mesh/transparent/proxy/t 1\" -j KUMA_MESH_X\n\
                     [1:60] -A KUMA_MESH_X -j RETURN\nCOMMIT\n";
        let shown: Vec<String> =
            found(saved).iter().map(|(mutant, position)| format!("{mutant} @{position}")).collect();
        assert_eq!(shown, ["nat OUTPUT -p tcp -j KUMA_MESH_X @2", "nat KUMA_MESH_X -j RETURN @1"]);
    }
}
