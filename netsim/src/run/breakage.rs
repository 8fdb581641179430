//! Every way in which one place of tproxy's installed rules is broken, from what iptables-save prints.
//!
//! Pure. Must never touch a rule of anybody else.

use std::collections::BTreeMap;

use tproxy::iptables::CHAIN_PREFIX;
use tproxy::iptables::rule::{self, Rule};

use super::mutant::{Change, Mutant};

/// A rule of tproxy's where it stands.
struct Standing {
    table: String,
    chain: String,
    /// From 1.
    position: usize,
    rule: Rule,
}

/// Lines of a restore text, by table.
#[derive(Default)]
pub(super) struct Edits(BTreeMap<String, Vec<String>>);

impl Edits {
    fn add(mut self, table: &str, line: String) -> Self {
        self.0.entry(table.to_owned()).or_default().push(line);
        self
    }

    /// The text, for a restore without flush.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(table, lines)| format!("*{table}\n{}\nCOMMIT\n", lines.join("\n"))).collect()
    }
}

/// The mutants of saved rules, each with what makes it.
pub(super) fn mutants(saved: &str) -> Vec<(Mutant, Edits)> {
    let rules = standing(saved);
    let mut all: Vec<(Mutant, Edits)> = rules.iter().map(without).collect();
    all.extend(rules.windows(2).filter_map(swapped));
    all.extend(rules.iter().flat_map(altered));
    all.extend(known_bugs(&rules));
    all
}

/// The rules of tproxy's in what iptables-save prints.
fn standing(saved: &str) -> Vec<Standing> {
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
        let rule = Rule::from_words(words);
        if chain.starts_with(CHAIN_PREFIX) || rule.is_ours() {
            found.push(Standing { table: table.clone(), chain: chain.clone(), position, rule });
        }
    }
    found
}

impl Standing {
    fn mutant(&self, change: Change, with: &str) -> Mutant {
        let rule = self.rule.without_comment().to_string();
        Mutant { change, table: self.table.clone(), chain: self.chain.clone(), rule, with: with.to_owned() }
    }

    fn replaced(&self, by: &Rule) -> String {
        format!("-R {} {} {by}", self.chain, self.position)
    }

    fn deleted(&self) -> String {
        format!("-D {} {}", self.chain, self.position)
    }
}

fn without(one: &Standing) -> (Mutant, Edits) {
    (one.mutant(Change::Without, ""), Edits::default().add(&one.table, one.deleted()))
}

/// Neighbours in each other's place, where a packet may match both and is not told the same by them.
fn swapped(pair: &[Standing]) -> Option<(Mutant, Edits)> {
    let [first, second] = pair else { return None };
    let are_neighbours =
        first.table == second.table && first.chain == second.chain && first.position + 1 == second.position;
    if !are_neighbours || verdict(&first.rule) == verdict(&second.rule) || exclude(&first.rule, &second.rule)
    {
        return None;
    }
    let edits = Edits::default()
        .add(&first.table, first.replaced(&second.rule))
        .add(&first.table, second.replaced(&first.rule));
    Some((first.mutant(Change::Swapped, &second.rule.without_comment().to_string()), edits))
}

/// The words from the target on.
fn verdict(rule: &Rule) -> Vec<&str> {
    rule.words().skip_while(|word| !matches!(*word, "-j" | "-g")).collect()
}

/// What a rule asks of a packet: each option with its value, and whether it is negated.
fn matches(rule: &Rule) -> Vec<(&str, &str, bool)> {
    let words: Vec<&str> = rule.words().take_while(|word| !matches!(*word, "-j" | "-g")).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if let Some(option) = MATCHES.iter().find(|option| *option == word)
            && let Some(value) = words.get(at + 1)
        {
            let is_negated = at > 0 && words.get(at - 1) == Some(&"!");
            found.push((*option, *value, is_negated));
        }
    }
    found
}

/// Options that ask something of a packet.
const MATCHES: [&str; 11] = [
    "-p",
    "-s",
    "-d",
    "-i",
    "-o",
    "--dport",
    "--sport",
    "--dports",
    "--uid-owner",
    "--gid-owner",
    "--match-set",
];

/// Whether no packet can match both, as far as that shows at a glance.
fn exclude(first: &Rule, second: &Rule) -> bool {
    let others = matches(second);
    matches(first).into_iter().any(|(option, value, is_negated)| {
        others.iter().any(|(other, other_value, other_is_negated)| {
            let are_opposite = value == *other_value && is_negated != *other_is_negated;
            let are_two = matches!(option, "-p" | "--dport" | "--sport")
                && value != *other_value
                && !is_negated
                && !other_is_negated;
            option == *other && (are_opposite || are_two)
        })
    })
}

/// The rule with one thing of it wrong: a port or a zone that it leads to, or one thing that it asks turned round.
fn altered(one: &Standing) -> Vec<(Mutant, Edits)> {
    let words: Vec<&str> = one.rule.words().collect();
    let mut all = Vec::new();
    for at in 0..words.len() {
        let Some((change, words)) = wrong_value(&words, at).or_else(|| negated(&words, at)) else { continue };
        let rule = Rule::from_words(words);
        let edits = Edits::default().add(&one.table, one.replaced(&rule));
        all.push((one.mutant(change, &rule.without_comment().to_string()), edits));
    }
    all
}

fn wrong_value(words: &[&str], at: usize) -> Option<(Change, Vec<String>)> {
    let change = match *words.get(at)? {
        "--to-ports" => Change::OtherPort,
        "--zone" => Change::OtherZone,
        _ => return None,
    };
    let value: u16 = words.get(at + 1)?.parse().ok()?;
    let mut changed: Vec<String> = words.iter().map(ToString::to_string).collect();
    *changed.get_mut(at + 1)? = (value ^ 8).to_string();
    Some((change, changed))
}

/// A protocol is left as it is where other words of the rule need it.
fn negated(words: &[&str], at: usize) -> Option<(Change, Vec<String>)> {
    let option = *words.get(at)?;
    let needs_protocol = words.windows(2).any(|pair| matches!(pair, ["-m", "tcp" | "udp" | "multiport"]));
    let is_fixed = option == "-p" && (needs_protocol || words.contains(&"REDIRECT"));
    if !MATCHES.contains(&option) || is_fixed {
        return None;
    }
    let mut changed: Vec<String> = words.iter().map(ToString::to_string).collect();
    match at.checked_sub(1).filter(|before| words.get(*before) == Some(&"!")) {
        Some(before) => drop(changed.remove(before)),
        None => changed.insert(at, "!".to_owned()),
    }
    Some((Change::Negated, changed))
}

/// What others' software has done: see the defects of Kuma's that each is named after.
fn known_bugs(rules: &[Standing]) -> Vec<(Mutant, Edits)> {
    // From behind, so that positions stay true.
    let all_of = |is_it: &dyn Fn(&Standing) -> bool| {
        let deleted = rules.iter().rev().filter(|one| is_it(one));
        deleted.fold(Edits::default(), |edits, one| edits.add(&one.table, one.deleted()))
    };
    let is_exclusion = |one: &Standing| {
        let words = one.rule.comment().and_then(|comment| comment.rsplit_once('/')).map(|(_, word)| word);
        words.is_some_and(|word| word.contains("exclu"))
    };
    let zones = rules.iter().filter_map(|one| Some((one, other_zone(&one.rule)?)));
    let zones = zones.fold(Edits::default(), |edits, (one, rule)| edits.add(&one.table, one.replaced(&rule)));
    let bugs = [
        (Change::NoFamily, all_of(&|_| true)),
        (Change::NoExclusions, all_of(&is_exclusion)),
        (Change::ZonesSwapped, zones),
        (Change::VnetDns, vnet_dns(rules)),
    ];
    let made = bugs.into_iter().filter(|(_, edits)| !edits.0.is_empty());
    made.map(|(change, edits)| (Mutant::of_all(change), edits)).collect()
}

/// The rule with the other of the two zones of captured queries.
fn other_zone(rule: &Rule) -> Option<Rule> {
    let mut words: Vec<&str> = rule.words().collect();
    let at = words.iter().position(|word| *word == "--zone")?;
    let zone = words.get_mut(at + 1)?;
    *zone = match *zone {
        "1" => "2",
        "2" => "1",
        _ => return None,
    };
    Some(Rule::from_words(words))
}

/// Queries of a virtual network go to the sidecar, though DNS is off.
fn vnet_dns(rules: &[Standing]) -> Edits {
    let asks = |one: &&Standing| matches(&one.rule).iter().any(|(_, value, _)| *value == "53");
    let of_vnet: Vec<&Standing> = rules.iter().filter(|one| one.chain.ends_with("_VNET")).collect();
    let redirected = of_vnet.iter().find(|one| one.rule.target() == Some("REDIRECT"));
    match redirected {
        Some(one) if !of_vnet.iter().any(asks) => {
            let interface = matches(&one.rule).into_iter().find(|(option, ..)| *option == "-i");
            let Some((_, interface, _)) = interface else { return Edits::default() };
            let rule = format!("-i {interface} -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053");
            Edits::default().add(&one.table, format!("-I {} 1 {rule}", one.chain))
        }
        _ => Edits::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*raw\n-A KUMA_MESH_ZONES -o lo -p udp -j CT --zone 2\nCOMMIT\n*nat\n:OUTPUT ACCEPT [0:0]\n\
        :KUMA_MESH_X - [0:0]\n[0:0] -A OUTPUT -p tcp -j ACCEPT\n\
        [1:60] -A OUTPUT -p tcp -m comment --comment \"kuma/mesh/transparent/proxy/t 1\" -j KUMA_MESH_X\n\
        [1:60] -A KUMA_MESH_X -p tcp -m tcp --dport 80 -m comment --comment kuma/mesh/transparent/proxy/outbound/excluded-port -j RETURN\n\
        [1:60] -A KUMA_MESH_X ! -o lo -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n";

    fn made(change: Change) -> Vec<String> {
        let all = mutants(SAVED).into_iter().filter(|(mutant, _)| mutant.change == change);
        all.map(|(_, edits)| edits.text()).collect()
    }

    #[test]
    fn our_rules_are_found_with_their_places_and_nobody_elses() {
        assert_eq!(
            made(Change::Without),
            [
                "*raw\n-D KUMA_MESH_ZONES 1\nCOMMIT\n",
                "*nat\n-D OUTPUT 2\nCOMMIT\n",
                "*nat\n-D KUMA_MESH_X 1\nCOMMIT\n",
                "*nat\n-D KUMA_MESH_X 2\nCOMMIT\n"
            ]
        );
    }

    #[test]
    fn neighbours_are_swapped_where_a_packet_may_match_both() {
        let swapped = made(Change::Swapped);
        assert_eq!(swapped.len(), 1, "{swapped:?}");
        assert!(
            swapped[0].starts_with("*nat\n-R KUMA_MESH_X 1 ! -o lo -p tcp -j REDIRECT --to-ports 15001\n-R ")
        );
        let of_two = "*nat\n-A KUMA_MESH_X -o lo -j RETURN\n-A KUMA_MESH_X ! -o lo -j ACCEPT\nCOMMIT\n";
        assert!(!mutants(of_two).iter().any(|(mutant, _)| mutant.change == Change::Swapped));
    }

    #[test]
    fn values_are_made_others_and_matches_are_turned_round() {
        assert_eq!(
            made(Change::OtherPort),
            ["*nat\n-R KUMA_MESH_X 2 ! -o lo -p tcp -j REDIRECT --to-ports 14993\nCOMMIT\n"]
        );
        assert_eq!(
            made(Change::OtherZone),
            ["*raw\n-R KUMA_MESH_ZONES 1 -o lo -p udp -j CT --zone 10\nCOMMIT\n"]
        );
        let negated = made(Change::Negated);
        for rule in ["KUMA_MESH_X 2 -o lo -p tcp", "KUMA_MESH_X 1 -p tcp -m tcp ! --dport 80"] {
            assert!(negated.iter().any(|text| text.contains(rule)), "{rule}: {negated:?}");
        }
        assert!(
            !negated.iter().any(|text| text.contains("! -p tcp -m tcp") || text.contains("! -o lo ! -p"))
        );
    }

    #[test]
    fn known_bugs_change_all_that_they_are_about() {
        let family = made(Change::NoFamily);
        assert_eq!(
            family,
            [
                "*nat\n-D KUMA_MESH_X 2\n-D KUMA_MESH_X 1\n-D OUTPUT 2\nCOMMIT\n*raw\n-D KUMA_MESH_ZONES 1\nCOMMIT\n"
            ]
        );
        assert_eq!(made(Change::NoExclusions), ["*nat\n-D KUMA_MESH_X 1\nCOMMIT\n"]);
        assert_eq!(
            made(Change::ZonesSwapped),
            ["*raw\n-R KUMA_MESH_ZONES 1 -o lo -p udp -j CT --zone 1\nCOMMIT\n"]
        );
        let of_vnet = "*nat\n-A KUMA_MESH_VNET -i v0 -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n";
        let with = mutants(of_vnet).into_iter().find(|(mutant, _)| mutant.change == Change::VnetDns);
        assert!(
            with.unwrap().1.text().contains("-I KUMA_MESH_VNET 1 -i v0 -p udp -m udp --dport 53 -j REDIRECT")
        );
    }
}
