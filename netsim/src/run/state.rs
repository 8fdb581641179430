//! What an installation could leave behind, and the difference between two looks at it.

use std::collections::BTreeSet;

use super::{RunError, trees};
use crate::link::{self, Network};
use crate::node::Program;

/// Rules of both flavours and families, sets, addresses, routes, kernel settings, and files of every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    lines: BTreeSet<String>,
}

/// Prints everything that iptables of any kind shows, sets and routes. Asking creates nothing. Legacy programs are asked
/// only where the kernel has tables of theirs, which is all that they would look at.
const LOOK: &str = "for family in ip ip6; do \
        echo \"#rules ${family}tables-nft\"; ${family}tables-nft-save 2>/dev/null; \
        echo \"#rules ${family}tables-legacy\"; \
        if { read -r table </proc/net/${family}_tables_names; } 2>/dev/null; then ${family}tables-legacy-save; fi; \
    done; \
    echo '#sets'; if command -v ipset >/dev/null; then ipset list -name; fi; \
    for family in -4 -6; do echo \"#routing $family\"; \
        printf 'rule\\nroute show table all\\n' | ip $family -batch -; done";

pub(super) fn observe(network: &Network) -> Result<State, RunError> {
    let mut lines = BTreeSet::new();
    for node in network.nodes() {
        let name = node.name();
        let seen = Program::new("sh").args(["-c", LOOK]).run(node)?;
        let addresses = link::addresses(node)?;
        let addresses =
            addresses.into_iter().map(|own| format!("address {} on {}", own.address, own.interface));
        let all = normalise(&seen.stdout_text()).into_iter().chain(trees::of(node)?).chain(addresses);
        lines.extend(all.map(|line| format!("{name}: {line}")));
    }
    Ok(State { lines })
}

impl State {
    /// What is there only before, or only after.
    pub(super) fn differences(&self, after: &Self) -> Vec<String> {
        let gone = self.lines.difference(&after.lines).map(|line| format!("is gone: {line}"));
        let left = after.lines.difference(&self.lines).map(|line| format!("is left: {line}"));
        gone.chain(left).collect()
    }
}

/// One line a rule or file, with its place, so that sets can be compared. Counters, comments of iptables-save and
/// empty built-in chains do not count: netfilter makes the latter on first use.
fn normalise(text: &str) -> Vec<String> {
    let (mut section, mut table) = (String::new(), String::new());
    let mut lines = Vec::new();
    let mut number = 0;
    for line in text.lines() {
        if let Some(name) = ["#rules ", "#sets", "#routing "].iter().find_map(|mark| {
            line.strip_prefix(mark).map(|rest| format!("{}{rest}", &mark.trim_start_matches('#')))
        }) {
            section = name;
            table.clear();
            continue;
        }
        // Routes that the kernel makes of addresses come some time after these, which are compared themselves.
        if section.starts_with("routing") && (line.contains("table local") || line.starts_with("fe80:")) {
            continue;
        }
        if !section.starts_with("rules") {
            lines.push(format!("{section} {line}"));
            continue;
        }
        match line.chars().next() {
            Some('#') | None => {}
            Some('*') => {
                line.clone_into(&mut table);
                number = 0;
            }
            Some('C') if line == "COMMIT" => table.clear(),
            Some(':') if line.contains(" ACCEPT ") => {}
            // A rule's number in its table keeps order and repetitions.
            Some('-') => {
                number += 1;
                lines.push(format!("{section} {table} {number} {line}"));
            }
            Some(_) => {
                let line = line.split(" [").next().unwrap_or(line);
                lines.push(format!("{section} {table} {line}"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_tables_and_counters_do_not_count_and_rules_do() {
        let before = normalise("#rules iptables-nft\n#sets\nwebs\n");
        let empty = "#rules iptables-nft\n# by\n*nat\n:OUTPUT ACCEPT [3:180]\nCOMMIT\n#sets\nwebs\n";
        assert_eq!(normalise(empty), before);
        let rule = empty.replace("COMMIT", ":X - [0:0]\n-A OUTPUT -j X\nCOMMIT");
        assert_eq!(normalise(&rule).len(), before.len() + 2);
    }
}
