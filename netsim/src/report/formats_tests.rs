//! The same run in every format: what passed, failed and was skipped is told by each of them, whatever is in a message.

use std::time::Duration;

use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::{Case, Outcome, json, junit, summary, tap};
use crate::run::{About, Check, Report};

fn check(problems: &[&str]) -> Check {
    Check {
        about: About::Traffic,
        title: "app → peer:80".to_owned(),
        happened: "peer".to_owned(),
        path: vec!["app".to_owned(), "peer".to_owned()],
        printed: String::new(),
        explanation: None,
        problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
    }
}

fn case(name: &str, outcome: Outcome) -> Case {
    Case {
        name: format!("ports/{name}::iptables-nft::ipv4"),
        sentence: "a sentence".to_owned(),
        feature: "ports".to_owned(),
        file: "ports.yaml".to_owned(),
        backend: BackendId::IptablesNft,
        family: IpFamily::V4,
        setting: None,
        outcome,
    }
}

fn ran(name: &str, problems: &[&str]) -> Case {
    let report = Report {
        variant: name.to_owned(),
        name: "a sentence".to_owned(),
        checks: vec![check(problems)],
        rules: String::new(),
        testimony: None,
        elapsed: Duration::from_millis(1500),
    };
    case(name, Outcome::Ran(Ok(report)))
}

/// One of each, with what formats could stumble over.
fn cases() -> Vec<Case> {
    vec![
        ran("good", &[]),
        ran("bad#1", &["expected <peer> & \"app\"\n...\nok 1 - not a line of its own\u{1}"]),
        case("elsewhere", Outcome::Skipped("no # root".to_owned())),
        case("needed", Outcome::Missing("iptables-nft: not here".to_owned())),
    ]
}

#[test]
fn json_tells_each_case_and_counts_them() {
    let read: serde_json::Value = serde_json::from_str(&json(&cases(), 7)).unwrap();
    let of = |key: &str| read.get(key).and_then(serde_json::Value::as_u64);
    assert_eq!([of("passed"), of("failed"), of("errors"), of("skipped")], [Some(1); 4]);
    let results: Vec<&str> =
        read["cases"].as_array().unwrap().iter().filter_map(|case| case["result"].as_str()).collect();
    assert_eq!(results, ["passed", "failed", "skipped", "error"]);
}

#[test]
fn junit_xml_has_a_suite_a_feature_and_holds_every_message() {
    let text = junit(&cases()).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let count = |name| suite.attribute(name).unwrap();
    assert_eq!(
        [count("name"), count("tests"), count("failures"), count("errors"), count("skipped")],
        ["ports", "4", "1", "1", "1"]
    );
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert!(failure.text().unwrap().contains("expected <peer> & \"app\""), "{text}");
}

#[test]
fn tap_has_a_point_a_case_and_no_message_is_taken_for_one() {
    let text = tap(&cases());
    let points: Vec<&str> =
        text.lines().filter(|line| line.starts_with("ok") || line.starts_with("not ok")).collect();
    assert_eq!(
        points,
        [
            "ok 1 - ports/good::iptables-nft::ipv4",
            "not ok 2 - ports/bad\\#1::iptables-nft::ipv4",
            "ok 3 - ports/elsewhere::iptables-nft::ipv4 # SKIP no # root",
            "not ok 4 - ports/needed::iptables-nft::ipv4",
        ]
    );
    assert!(text.starts_with("TAP version 14\n1..4\n"), "{text}");
}

#[test]
fn the_summary_counts_by_feature_and_backend() {
    let text = summary(&cases());
    assert!(text.contains("ports    1 of 4, 1 skipped\n"), "{text}");
    assert!(text.ends_with("1 passed, 2 failed, 1 skipped\n"), "{text}");
}
