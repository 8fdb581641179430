//! What other programs have on the way of packets, before rules of ours.
//!
//! Must never judge what a rule of another program does: it is named, and its owner knows.

use super::case::Case;
use super::evidence::{Evidence, Others};
use super::finding::Finding;
use super::nft::{self, BaseChain};
use crate::iptables::Tool;
use crate::iptables::rule::Rule;
use crate::iptables::save::{SavedChain, SavedTable};

const SUBJECT: &str = "other-rules";
/// So many rules of a chain are shown: enough to recognise whose they are.
const SHOWN: usize = 4;
/// Of two chains of the same priority the kernel calls the younger one first.
const EITHER: &str = "at the same priority as ours, the younger first,";

pub(super) fn findings(case: &Case, evidence: &Evidence) -> Vec<Finding> {
    let Some(others) = &evidence.others else {
        let why = "rules of other programs cannot be seen without root";
        return vec![Finding::unknown(SUBJECT, why, "check as root")];
    };
    let mut findings: Vec<Finding> =
        others.tables.iter().flat_map(|(tool, tables)| of_iptables(case, tool, tables)).collect();
    findings.extend(of_nftables(case, others));
    if findings.is_empty() {
        findings.push(Finding::works(SUBJECT, "no rule of another program stands before ours"));
    }
    findings
}

fn of_iptables(case: &Case, tool: &Tool, tables: &Result<Vec<SavedTable>, String>) -> Vec<Finding> {
    if case.families().all(|family| family != tool.family) {
        return Vec::new();
    }
    let tables = match tables {
        Ok(tables) => tables,
        Err(why) => return vec![Finding::unknown(subject(tool, &[]), why, "")],
    };
    let mut findings = Vec::new();
    for table in tables.iter().filter(|table| is_used(case, &table.name)) {
        let chains =
            table.chains.iter().filter(|chain| ["PREROUTING", "OUTPUT"].contains(&chain.name.as_str()));
        findings.extend(chains.filter_map(|chain| of_chain(case, tool, &table.name, chain)));
    }
    findings
}

/// The tables in which we have rules, too.
fn is_used(case: &Case, table: &str) -> bool {
    let (policy, options) = (&case.plan.policy, &case.plan.iptables);
    match table {
        "nat" => true,
        "raw" => policy.dns.is_some() && options.conntrack_zones,
        "mangle" => policy.drop_invalid,
        _ => false,
    }
}

fn of_chain(case: &Case, tool: &Tool, table: &str, chain: &SavedChain) -> Option<Finding> {
    let options = &case.plan.iptables;
    let (is_first, insert) = match chain.name.as_str() {
        "PREROUTING" => (options.inbound_first, "--redirect-inbound-insert-instead-of-append"),
        _ => (options.outbound_first, "--redirect-outbound-insert-instead-of-append"),
    };
    let is_installing = case.tools.contains(tool);
    // Rules of ours that stand there already keep their place; those of the other flavour are another chain.
    let before: Vec<&Rule> = match (is_installing, is_first && table == "nat") {
        (true, true) => Vec::new(),
        (true, false) => chain.rules.iter().take_while(|rule| !rule.is_ours()).collect(),
        (false, _) => chain.rules.iter().filter(|rule| !rule.is_ours()).collect(),
    };
    let shown: Vec<String> = before.iter().take(SHOWN).map(|rule| format!("`{rule}`")).collect();
    if shown.is_empty() {
        return None;
    }
    let more = match before.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (name, flavour, shown) = (&chain.name, tool.flavour, shown.join(", "));
    let when = if is_installing { "before ours" } else { EITHER };
    let evidence = format!(
        "rules of other programs are met {when} in {table} {name} of iptables-{flavour}: {shown}{more}"
    );
    let advice = if is_installing && table == "nat" {
        format!("what they decide does not reach the sidecar; if it should, put ours first with {insert}")
    } else {
        "what they decide does not reach the sidecar; if it should, remove them".to_owned()
    };
    Some(Finding::warning(subject(tool, &[table, &chain.name]), evidence, advice))
}

fn subject(tool: &Tool, place: &[&str]) -> String {
    let mut parts = vec![SUBJECT.to_owned(), format!("iptables-{}", tool.flavour), tool.family.to_string()];
    parts.extend(place.iter().map(|part| (*part).to_owned()));
    parts.join("/")
}

fn of_nftables(case: &Case, others: &Others) -> Vec<Finding> {
    let unknown = |why: String| vec![Finding::unknown(format!("{SUBJECT}/nftables"), why, "")];
    match &others.chains {
        None => Vec::new(),
        Some(Err(why)) => unknown(why.clone()),
        Some(Ok(listed)) => match nft::before_ours(listed) {
            Err(error) => unknown(format!("what nft lists cannot be read: {error}")),
            Ok(chains) => {
                let on_the_way = |chain: &&BaseChain| case.families().any(|family| chain.sees(family));
                chains.iter().filter(on_the_way).map(of_base_chain).collect()
            }
        },
    }
}

fn of_base_chain(chain: &BaseChain) -> Finding {
    let BaseChain { family, table, name, hook, priority, .. } = chain;
    let when = if *priority < nft::NAT { "before ours" } else { EITHER };
    Finding::warning(
        format!("{SUBJECT}/nftables/{family}/{table}/{name}"),
        format!(
            "chain {name} of table {family} {table} is called {when} at hook {hook}, priority {priority}"
        ),
        "what it redirects elsewhere does not reach the sidecar; `nft list ruleset` shows its rules",
    )
}
