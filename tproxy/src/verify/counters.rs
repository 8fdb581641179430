//! What the lines of the policy counted: the counters of the rules that realise them.
//!
//! The nat table sees the first packet of a connection only, so these are connections and DNS sockets rather than
//! packets. The raw table, which sees every packet once more, does not count.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use crate::apply::record::Record;
use crate::family::IpFamily;
use crate::iptables::rule::Rule;
use crate::iptables::save::{Counters, SavedChain, Shown};
use crate::iptables::{CHAIN_PREFIX, COMMENT_PREFIX, Tool};

/// What one line counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineCounters {
    /// Name of the line.
    pub line: String,
    /// Both families together.
    #[serde(flatten)]
    pub sum: Counters,
    /// Each family that has such a rule.
    #[serde(flatten)]
    pub families: BTreeMap<IpFamily, Counters>,
}

/// The counters of every line that has rules, in the order of the rules. Rules without comments are known by their shape,
/// where `record` tells it.
#[must_use]
pub fn by_line(shown: &[Shown], record: Option<&Record>) -> Vec<LineCounters> {
    let mut lines: Vec<LineCounters> = Vec::new();
    for Shown { tool, tables } in shown {
        for table in tables.iter().flatten().filter(|table| table.name != "raw") {
            for chain in table.chains.iter().filter(|chain| chain.name.starts_with(CHAIN_PREFIX)) {
                let all_named = chain.rules.iter().all(|rule| name(rule).is_some());
                let record = record.filter(|_| !all_named);
                let names = names_of(record, tool, &table.name, &chain.name);
                add(&mut lines, tool.family, chain, &names);
            }
        }
    }
    lines
}

/// The recorded names of a chain's rules, by what the rules are without their comments.
fn names_of(record: Option<&Record>, tool: &Tool, table: &str, chain: &str) -> BTreeMap<String, String> {
    let rules = record.and_then(|record| record.rules.iter().find(|rules| rules.sees_as(tool)));
    let chain = rules.and_then(|rules| rules.table(table)).and_then(|table| table.chain(chain));
    let named = |rule: &Rule| Some((rule.without_comment().to_string(), name(rule)?.to_owned()));
    chain.into_iter().flat_map(|chain| &chain.rules).filter_map(named).collect()
}

fn add(
    lines: &mut Vec<LineCounters>,
    family: IpFamily,
    chain: &SavedChain,
    names: &BTreeMap<String, String>,
) {
    for (rule, counters) in chain.rules.iter().zip(&chain.counters) {
        let recorded = || names.get(&rule.without_comment().to_string()).map(String::as_str);
        let Some(name) = name(rule).or_else(recorded) else { continue };
        if !lines.iter().any(|line| line.line == name) {
            let line = name.to_owned();
            lines.push(LineCounters { line, sum: Counters::default(), families: BTreeMap::new() });
        }
        if let Some(line) = lines.iter_mut().find(|line| line.line == name) {
            line.sum += *counters;
            *line.families.entry(family).or_default() += *counters;
        }
    }
}

/// The line that a rule of ours names in its comment. What Kuma writes there is a sentence.
fn name(rule: &Rule) -> Option<&str> {
    let text = rule.comment()?.strip_prefix(COMMENT_PREFIX)?;
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let (direction, what) = text.split_once('/')?;
    (["inbound", "outbound"].contains(&direction) && is_word(what)).then_some(text)
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::iptables::{Flavour, save};

    fn shown(family: IpFamily, text: &str) -> Shown {
        let program = PathBuf::from("/sbin/x");
        let tool = Tool { flavour: Flavour::Nft, family, save: program.clone(), restore: program };
        Shown { tool, tables: Ok(save::parse(text).unwrap()) }
    }

    const RULES: &str = r#"*raw
:KUMA_MESH_ZONES - [0:0]
[9:900] -A KUMA_MESH_ZONES -m comment --comment "kuma/mesh/transparent/proxy/outbound/dns" -j RETURN
COMMIT
*nat
:OUTPUT ACCEPT [0:0]
:KUMA_MESH_OUTBOUND - [0:0]
[5:300] -A OUTPUT -m comment --comment "kuma/mesh/transparent/proxy/outbound/sidecar" -j RETURN
[1:60] -A KUMA_MESH_OUTBOUND -m comment --comment "kuma/mesh/transparent/proxy/outbound/sidecar" -j RETURN
[2:120] -A KUMA_MESH_OUTBOUND -d 192.0.2.1/32 -m comment --comment "kuma/mesh/transparent/proxy/outbound/sidecar" -j RETURN
[7:7] -A KUMA_MESH_OUTBOUND -m comment --comment "kuma/mesh/transparent/proxy/redirect all of it" -j RETURN
COMMIT
"#;

    #[test]
    fn the_rules_of_a_line_are_summed_over_chains_and_families() {
        let lines = by_line(&[shown(IpFamily::V4, RULES), shown(IpFamily::V6, RULES)], None);
        assert_eq!(
            serde_json::to_value(lines).unwrap(),
            serde_json::json!([{
                "line": "outbound/sidecar", "packets": 6, "bytes": 360,
                "ipv4": {"packets": 3, "bytes": 180}, "ipv6": {"packets": 3, "bytes": 180},
            }])
        );
    }
}
