//! What is said of rules as iptables-save shows them: whole, damaged in every way, with the journal and without.

use std::path::PathBuf;

use rstest::rstest;

use super::*;
use crate::apply::record::Run;
use crate::config::Layers;
use crate::host::resolv_conf::Resolver;
use crate::host::{HostFacts, Users};
use crate::iptables::state::TableState;
use crate::iptables::{Tool, render, save};
use crate::plan::{self, Plan, Sidecar};

fn plan(yaml: &str) -> Plan {
    let facts = HostFacts {
        users: Users::named([("kuma-dp", 5678)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver: Resolver::default(),
    };
    let config = Layers::default().file("config.yaml", yaml).resolve().unwrap().config;
    plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
}

fn tool(flavour: Flavour, family: IpFamily) -> Tool {
    let program = PathBuf::from(format!("/usr/sbin/{family}-{flavour}"));
    Tool { flavour, family, save: program.clone(), restore: program }
}

fn rules(flavour: Flavour, family: IpFamily, shown: &str) -> InstalledRules {
    let tables = TableState::of_all(save::parse(shown).unwrap());
    InstalledRules { tool: tool(flavour, family), tables }
}

/// What both families' iptables-save show after an installation of `plan` beside a foreign rule, and the record of it.
fn installation(plan: &Plan) -> (Vec<String>, Record) {
    let nothing = IpFamily::ALL.map(|family| {
        rules(Flavour::Nft, family, "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j FOREIGN\nCOMMIT\n")
    });
    let before = Installed { rules: nothing.into(), ..Installed::default() };
    let wanted = wanted::settled(wanted::recorded(plan, &before, Flavour::Nft), &before);
    let changes = render::install(plan, &before, Flavour::Nft).unwrap();
    let run = Run {
        boot_id: "boot",
        backend: "iptables-nft",
        digest: plan.digest(),
        configuration: serde_json::Value::Null,
        rules: wanted,
        comments: plan.iptables.comments,
        changes: &changes,
    };
    let texts = changes.iter().filter_map(|change| match change {
        crate::apply::change::Change::Restore { forward, .. } => Some(forward.replace(
            "*nat\n",
            "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j FOREIGN\n",
        )),
        _ => None,
    });
    (texts.collect(), Record::applying(run, None).installed())
}

/// The findings, as lines, after both families' rules were changed so, or those of IPv4 only.
fn found(plan: &Plan, recorded: bool, change: impl Fn(IpFamily, &str) -> String) -> Vec<String> {
    let (texts, record) = installation(plan);
    let shown = IpFamily::ALL.iter().zip(&texts);
    let shown = shown.map(|(family, text)| rules(Flavour::Nft, *family, &change(*family, text)));
    let record = recorded.then_some(record);
    let installed = Installed { rules: shown.collect(), has_address: true, record, ..Installed::default() };
    assess(&installed).findings.iter().map(ToString::to_string).collect()
}

/// What iptables-save shows when the lines of IPv4 that contain `words` are replaced.
fn replaced(plan: &Plan, recorded: bool, words: &str, by: &[&str]) -> Vec<String> {
    found(plan, recorded, |family, text| {
        if family == IpFamily::V6 {
            return text.to_owned();
        }
        assert!(text.contains(words), "{words} in {text}");
        let line = |line: &str| match line.contains(words) {
            true => by.iter().map(|by| by.replace("LINE", line)).collect::<Vec<_>>().join("\n"),
            false => line.to_owned(),
        };
        text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n") + "\n"
    })
}

#[rstest]
fn what_was_installed_is_whole(
    #[values("", "comments: {disabled: true}", "redirect: {outbound: {excludePorts: [22, 9000]}}")]
    yaml: &str,
    #[values(true, false)] recorded: bool,
) {
    let plan = plan(yaml);
    if plan.iptables.comments || recorded {
        assert_eq!(found(&plan, recorded, |_, text| text.to_owned()), Vec::<String>::new());
    }
}

#[rstest]
#[case("outbound/localhost", &[], &["IPv4 (nft) nat KUMA_MESH_OUTBOUND: missing: -d 127.0.0.1/32 -m comment"])]
#[case("outbound/localhost", &["LINE", "-A KUMA_MESH_OUTBOUND -j ACCEPT"],
    &["IPv4 (nft) nat KUMA_MESH_OUTBOUND: not of the installation: -j ACCEPT"])]
#[case("outbound/localhost", &["-A KUMA_MESH_OUTBOUND -j ACCEPT", "LINE"],
    &["IPv4 (nft) nat KUMA_MESH_OUTBOUND: not of the installation: -j ACCEPT"])]
#[case("-A OUTPUT -p tcp", &[], &["IPv4 (nft) nat OUTPUT: missing: -p tcp -m comment"])]
#[case("-A OUTPUT -p tcp", &["LINE", "LINE"], &["IPv4 (nft) nat OUTPUT: not of the installation: -p tcp"])]
#[case("-A OUTPUT -p tcp", &["-A OUTPUT -j LATER", "LINE"],
    &["IPv4 (nft) nat OUTPUT: behind rules of others that came later: -p tcp"])]
#[case("-A OUTPUT -j FOREIGN", &[], &[])]
#[case(":KUMA_MESH_INBOUND_REDIRECT", &["LINE", ":KUMA_MESH_X - [0:0]"],
    &["IPv4 (nft) nat KUMA_MESH_X: the chain does not belong to the installation"])]
fn every_damage_is_found_with_the_journal(#[case] words: &str, #[case] by: &[&str], #[case] lines: &[&str]) {
    let found = replaced(&plan(""), true, words, by);
    assert_eq!(found.len(), lines.len(), "{found:?}");
    for (found, line) in found.iter().zip(lines) {
        assert!(found.starts_with(line), "{found}");
    }
}

#[test]
fn a_rule_that_moved_is_named_once() {
    let plan = plan("");
    let moved = found(&plan, true, |_, text| {
        let (localhost, others): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.contains("outbound/localhost"));
        let at = others.iter().position(|line| line.contains("outbound/passthrough-source")).unwrap();
        let lines = [&others[..at], &localhost, &others[at..]].concat();
        lines.join("\n") + "\n"
    });
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert!(
        moved[0].starts_with("IPv4 (nft) nat KUMA_MESH_OUTBOUND: out of order: -d 127.0.0.1/32"),
        "{moved:?}"
    );
}

#[rstest]
#[case("outbound/localhost", &[], "the rules are not those that were installed")]
#[case("-A OUTPUT -p tcp", &[], "IPv4 (nft) nat OUTPUT: no jump to a chain of ours is there")]
#[case("--to-ports 15001", &[], "IPv4 (nft) nat KUMA_MESH_OUTBOUND_REDIRECT: the chain is empty")]
fn damage_is_seen_without_the_journal(#[case] words: &str, #[case] by: &[&str], #[case] line: &str) {
    let found = replaced(&plan(""), false, words, by);
    assert!(found.len() == 1 && found[0].starts_with(line), "{found:?}");
}

#[test]
fn a_rule_before_a_jump_that_came_first_is_seen_without_the_journal() {
    let plan = plan("redirect: {outbound: {insertRedirectInsteadOfAppend: true}}");
    let found = found(&plan, false, |_, text| text.replace("-I OUTPUT 1 ", "-A OUTPUT "));
    let line = "IPv4 (nft) nat OUTPUT: behind rules of others that came later: -p tcp";
    assert!(found.len() == 2 && found[0].starts_with(line), "{found:?}");
    assert!(found[1].starts_with("IPv6"), "{found:?}");
}

#[test]
fn rules_of_ours_without_comments_are_not_kumas_without_the_journal() {
    let (texts, _) = installation(&plan("comments: {disabled: true}"));
    let shown = IpFamily::ALL.iter().zip(&texts).map(|(family, text)| rules(Flavour::Nft, *family, text));
    let installed = Installed { rules: shown.collect(), has_address: true, ..Installed::default() };
    let assessment = assess(&installed);
    assert_eq!((assessment.author, assessment.findings), (Some(Author::Tproxy), Vec::new()));
}

#[rstest]
fn an_installation_of_ipv4_alone_leaves_ipv6_unless_that_was_asked_for(
    #[values(true, false)] is_asked_for: bool,
) {
    let (texts, mut record) = installation(&plan("ipFamilyMode: ipv4"));
    if is_asked_for {
        record.configuration = serde_json::json!({ "ipFamilyMode": "ipv4" });
    }
    let shown = vec![rules(Flavour::Nft, IpFamily::V4, &texts[0])];
    let installed = Installed { rules: shown, record: Some(record), ..Installed::default() };
    let assessment = assess(&installed);
    assert_eq!(assessment.findings, []);
    assert_eq!(assessment.leaves_ipv6_alone(&installed), !is_asked_for);
}

#[rstest]
fn a_family_that_is_gone_is_missed(
    #[values(true, false)] recorded: bool,
    #[values(IpFamily::V4, IpFamily::V6)] gone: IpFamily,
) {
    let found = found(&plan(""), recorded, |family, text| match family == gone {
        true => String::new(),
        false => text.to_owned(),
    });
    let line = format!("{} (nft): nothing is there of what was installed", gone.title());
    assert_eq!(found, [line]);
}

#[test]
fn a_flavour_for_each_family_is_no_installation() {
    let (texts, record) = installation(&plan(""));
    let halves = [(Flavour::Nft, IpFamily::V4, &texts[0]), (Flavour::Legacy, IpFamily::V6, &texts[1])];
    let halves = halves.map(|(flavour, family, text)| rules(flavour, family, text)).into();
    let installed =
        Installed { rules: halves, has_address: true, record: Some(record), ..Installed::default() };
    let found: Vec<What> = assess(&installed).findings.iter().map(|finding| finding.what).collect();
    assert_eq!(found, [What::SeveralInstallations, What::FamilyMissing, What::FamilyForeign]);
}

#[test]
fn an_address_that_is_gone_is_missed() {
    let (texts, record) = installation(&plan(""));
    let shown = IpFamily::ALL.iter().zip(&texts).map(|(family, text)| rules(Flavour::Nft, *family, text));
    let installed = Installed {
        rules: shown.collect(),
        has_address: false,
        record: Some(record),
        ..Installed::default()
    };
    let found: Vec<What> = assess(&installed).findings.iter().map(|finding| finding.what).collect();
    assert_eq!(found, [What::AddressMissing]);
}

const KUMAS: &str = "*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUMA_MESH_INBOUND - [0:0]
:KUMA_MESH_INBOUND_REDIRECT - [0:0]
:KUMA_MESH_OUTBOUND - [0:0]
:KUMA_MESH_OUTBOUND_REDIRECT - [0:0]
-A PREROUTING -p tcp -j KUMA_MESH_INBOUND
-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
-A KUMA_MESH_INBOUND -p tcp -j KUMA_MESH_INBOUND_REDIRECT
-A KUMA_MESH_INBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A KUMA_MESH_OUTBOUND -j KUMA_MESH_OUTBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
";

#[rstest]
#[case("", &[])]
#[case("-A PREROUTING", &[What::JumpMissing])]
#[case("-A KUMA_MESH_INBOUND_REDIRECT", &[What::ChainEmpty])]
#[case("KUMA_MESH_INBOUND", &[What::JumpMissing, What::ChainsMissing])]
fn kumas_installation_is_whole_when_its_shape_is(#[case] without: &str, #[case] what: &[What]) {
    let kept = KUMAS.lines().filter(|line| without.is_empty() || !line.contains(without));
    let text = kept.collect::<Vec<_>>().join("\n") + "\n";
    let rules = vec![rules(Flavour::Nft, IpFamily::V4, &text)];
    // A record of an installation that Kuma has replaced since is about nothing that is there.
    for record in [None, Some(installation(&plan("")).1)] {
        let installed =
            Installed { rules: rules.clone(), has_address: false, record, ..Installed::default() };
        let assessment = assess(&installed);
        assert_eq!(assessment.author, Some(Author::Kuma));
        assert_eq!(assessment.findings.iter().map(|finding| finding.what).collect::<Vec<_>>(), what);
    }
}
