//! What is rendered from which state: golden texts, idempotency, other programs' rules, ::6.

use std::path::PathBuf;

use super::super::save;
use super::*;
use crate::apply::change::StoredFile;
use crate::apply::record::Run;
use crate::config::Layers;
use crate::host::{HostFacts, Users};
use crate::plan::{self, Sidecar};

fn plan(yaml: &str) -> Plan {
    let facts = HostFacts {
        users: Users::named([("kuma-dp", 5678)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver: crate::host::resolv_conf::Resolver::default(),
    };
    let config = Layers::default().file("config.yaml", yaml).resolve().unwrap().config;
    plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
}

fn tool(flavour: Flavour, family: IpFamily) -> Tool {
    let base = if family == IpFamily::V4 { "iptables" } else { "ip6tables" };
    let program = |what: &str| PathBuf::from(format!("/usr/sbin/{base}-{flavour}-{what}"));
    Tool { flavour, family, save: program("save"), restore: program("restore") }
}

/// A host where `iptables-nft-save` and `ip6tables-nft-save` print these.
fn host(v4: &str, v6: &str, has_address: bool) -> Installed {
    let rules = [(IpFamily::V4, v4), (IpFamily::V6, v6)].map(|(family, text)| InstalledRules {
        tool: tool(Flavour::Nft, family),
        tables: TableState::of_all(save::parse(text).unwrap()),
    });
    Installed { rules: rules.into(), has_address, ..Installed::default() }
}

fn forward(changes: &[Change]) -> Vec<String> {
    let texts = changes.iter().map(|change| match change {
        Change::Restore { forward, .. } => forward.clone(),
        other => other.to_string(),
    });
    texts.collect()
}

/// What iptables-save shows after a restore text from nothing was loaded beside `foreign` rules.
fn saved(restore: &str, foreign: &str) -> String {
    let declared = ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    restore.replace("*nat\n", &format!("*nat\n{declared}")).replace("COMMIT", &format!("{foreign}COMMIT"))
}

#[test]
fn the_default_rules() {
    insta::assert_snapshot!(
        forward(&install(&plan(""), &host("", "", false), Flavour::Nft).unwrap()).join("\n")
    );
}

#[test]
fn every_option_of_ports_and_directions() {
    let yaml = "
        kumaDPUser: 77
        ipFamilyMode: ipv4
        redirect:
          inbound: {port: 1, includePorts: [80, 443], excludePorts: [9]}
          outbound: {port: 2, excludePorts: [22, 9000]}";
    insta::assert_snapshot!(
        forward(&install(&plan(yaml), &host("", "", false), Flavour::Nft).unwrap()).join("\n")
    );
}

#[test]
fn directions_that_are_off_keep_their_chains() {
    let yaml = "
        ipFamilyMode: ipv4
        redirect: {inbound: {enabled: false}, outbound: {enabled: false, includePorts: [1]}}";
    insta::assert_snapshot!(
        forward(&install(&plan(yaml), &host("", "", false), Flavour::Nft).unwrap()).join("\n")
    );
}

#[test]
fn the_same_installation_again_changes_nothing() {
    let changes = forward(&install(&plan(""), &host("", "", false), Flavour::Nft).unwrap());
    let foreign = "-A OUTPUT -p tcp -j ACCEPT\n";
    let again = host(&saved(&changes[1], foreign), &saved(&changes[2], foreign), true);
    assert!(again.owns_address());
    assert_eq!(install(&plan(""), &again, Flavour::Nft).unwrap(), []);
    let other = install(&plan("redirect: {inbound: {port: 1}}"), &again, Flavour::Nft).unwrap();
    assert_eq!(other.len(), 2, "{other:?}");
}

#[test]
fn a_jump_that_need_not_come_first_any_more_goes_behind_the_rules_of_others() {
    let first = plan("redirect: {inbound: {insertRedirectInsteadOfAppend: true}}");
    let first = forward(&install(&first, &host("", "", false), Flavour::Nft).unwrap());
    let shown = |text: &str| {
        let text = text.replace("-I PREROUTING 1 ", "-A PREROUTING ");
        saved(&text, "-A PREROUTING -p tcp -j FOREIGN\n-A OUTPUT -j FOREIGN\n")
    };
    // There is no journal: the jumps say of themselves that they came first.
    let installed = host(&shown(&first[1]), &shown(&first[2]), true);
    let texts = forward(&install(&plan(""), &installed, Flavour::Nft).unwrap());
    assert_eq!(texts.len(), 2);
    for text in &texts {
        assert!(text.contains("-D PREROUTING -p tcp ") && text.contains("-A PREROUTING -p tcp "), "{text}");
        assert!(text.contains("-I OUTPUT 1 -p tcp "), "the other jump keeps its side: {text}");
    }
}

#[test]
fn uninstalling_names_only_what_is_ours() {
    let changes = forward(&install(&plan(""), &host("", "", false), Flavour::Nft).unwrap());
    let foreign = "-A OUTPUT -p tcp -m comment --comment \"says KUMA_MESH_OUTBOUND\" -j ACCEPT\n";
    let installed = host(&saved(&changes[1], foreign), &saved(&changes[2], foreign), true);
    insta::assert_snapshot!(forward(&remove(&installed, "lo")).join("\n"));
}

#[test]
fn an_address_that_was_there_before_stays() {
    let changes = install(&plan(""), &host("", "", true), Flavour::Nft).unwrap();
    assert!(changes.iter().all(|change| matches!(change, Change::Restore { .. })));
    let texts = forward(&changes);
    let installed = host(&saved(&texts[0], ""), &saved(&texts[1], ""), true);
    assert!(!installed.owns_address());
    assert_eq!(remove(&installed, "lo").len(), 2);
}

#[test]
fn an_installation_of_the_other_flavour_is_removed_after_the_new_one_is_there() {
    let changes = forward(&install(&plan("ipFamilyMode: ipv4"), &host("", "", false), Flavour::Nft).unwrap());
    let mut installed = host(&saved(&changes[0], ""), "", false);
    installed.rules.push(InstalledRules { tool: tool(Flavour::Legacy, IpFamily::V4), tables: Vec::new() });
    installed.rules.rotate_right(1);
    let changes = install(&plan("ipFamilyMode: ipv4"), &installed, Flavour::Legacy).unwrap();
    let flavours: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Restore { tool, forward, .. } => {
                (tool.flavour, forward.contains("-X KUMA_MESH_INBOUND\n"))
            }
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(flavours, [(Flavour::Legacy, false), (Flavour::Nft, true)]);
}

#[test]
fn what_is_undone_was_done() {
    for change in install(&plan(""), &host("", "", false), Flavour::Nft).unwrap() {
        assert_eq!(change.inverse().inverse(), change);
    }
}

#[test]
fn a_plan_that_these_rules_cannot_express_is_refused_by_name() {
    let reserved = "is the name of a chain that tproxy makes itself";
    for (yaml, key, reason) in [
        ("storeFirewalld: true", "storeFirewalld", "there is no /etc/firewalld"),
        ("redirect: {inbound: {chainName: ZONES}}", "redirect.inbound.chainName", reserved),
        ("redirect: {inbound: {redirectChainName: INVALID}}", "redirect.inbound.redirectChainName", reserved),
        ("redirect: {outbound: {chainName: DNS}}", "redirect.outbound.chainName", reserved),
        (
            "redirect: {outbound: {redirectChainName: TREE_O1}}",
            "redirect.outbound.redirectChainName",
            reserved,
        ),
    ] {
        let error = install(&plan(yaml), &host("", "", false), Flavour::Nft).unwrap_err();
        assert_eq!(error.key(), key);
        assert!(error.reason().starts_with(reason), "{yaml}: {error}");
        assert_eq!(error.to_string(), format!("{key} {}", error.reason()));
    }
}

#[test]
fn what_is_stored_comes_first_and_goes_first() {
    let mut installed = host("", "", true);
    installed.stored = Some(DirectFile::default());
    let changes = install(&plan("storeFirewalld: true"), &installed, Flavour::Nft).unwrap();
    let Change::Store(file) = &changes[0] else { panic!("{changes:?}") };
    let text = file.after.clone().unwrap();
    assert_eq!(text.matches("<chain").count(), 8, "{text}");
    installed.stored = Some(DirectFile::read(&file.path, Some(text.clone())).unwrap());
    let texts = forward(&changes);
    let again = Installed {
        stored: installed.stored.clone(),
        ..host(&saved(&texts[1], ""), &saved(&texts[2], ""), true)
    };
    assert_eq!(install(&plan("storeFirewalld: true"), &again, Flavour::Nft).unwrap(), []);
    let gone = Change::Store(StoredFile { path: file.path.clone(), before: Some(text), after: None });
    assert_eq!(install(&plan(""), &again, Flavour::Nft).unwrap(), std::slice::from_ref(&gone));
    assert_eq!(remove(&again, "lo").first(), Some(&gone));
    assert_eq!(gone.inverse().inverse(), gone);
}

#[test]
fn on_the_way_back_a_flavour_goes_only_when_the_other_has_come_back() {
    let texts = forward(&install(&plan(""), &host("", "", true), Flavour::Nft).unwrap());
    let mut installed = host(&saved(&texts[0], ""), &saved(&texts[1], ""), true);
    let of_legacy = |rules: &InstalledRules, tables| InstalledRules {
        tool: tool(Flavour::Legacy, rules.tool.family),
        tables,
    };
    let older = installed.rules.iter().map(|rules| of_legacy(rules, rules.tables.clone()));
    let before = Before { rules: older.collect(), ..Before::default() };
    let empty: Vec<_> = installed.rules.iter().map(|rules| of_legacy(rules, Vec::new())).collect();
    let run = Run {
        boot_id: "",
        backend: "iptables-nft",
        digest: 7,
        configuration: serde_json::Value::Null,
        rules: installed.rules.clone(),
        comments: true,
        changes: &[],
    };
    installed.rules.extend(empty);
    let changes = back(&before, &Record::applying(run, None), &installed, "lo");
    let flavours: Vec<Flavour> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Restore { tool, .. } => Some(tool.flavour),
            _ => None,
        })
        .collect();
    assert_eq!(flavours, [Flavour::Legacy, Flavour::Legacy, Flavour::Nft, Flavour::Nft]);
}
