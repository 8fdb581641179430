//! `netsim bench` end to end. What it measures is never asserted: only that it measures what it says, or says that it
//! did not.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod built;

use std::path::Path;
use std::process::{Command, Output};

use netsim::require;
use serde_json::Value;
use tproxy::backend::BackendId;

/// A bench of a few connections.
fn bench(tproxy: &Path, arguments: &[&str]) -> Output {
    bench_of(["--rounds=2", "--pieces=10"], tproxy, arguments)
}

fn bench_of(size: [&str; 2], tproxy: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netsim"))
        .arg("bench")
        .args(size)
        .args(["--json", "--tproxy"])
        .arg(tproxy)
        .args(arguments)
        .output()
        .unwrap()
}

fn cases(bench: &Output) -> Vec<Value> {
    let printed: Value = serde_json::from_slice(&bench.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bench.stderr)));
    printed["cases"].as_array().unwrap().clone()
}

fn named<'a>(cases: &'a [Value], name: &str) -> &'a Value {
    cases.iter().find(|case| case["case"] == name).unwrap()
}

#[test]
fn every_kind_of_case_is_measured_and_compared_in_either_family() {
    if !require::nodes().met_or_skip() {
        return;
    }
    let mut names = Vec::new();
    for load in ["connections", "round-trips", "bulk"] {
        for direction in ["outbound", "inbound", "whole"] {
            names.extend([format!("{load}/{direction}/direct"), format!("{load}/{direction}/straight")]);
        }
    }
    names.extend(["queries/outbound/direct".to_owned(), "queries/outbound/straight".to_owned()]);
    for backend in [BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf] {
        if require::backend(backend).met_or_skip() {
            let of = ["connections/whole", "round-trips/outbound", "bulk/inbound", "queries/outbound"];
            names.extend(of.map(|what| format!("{what}/{backend}")));
            names.push(format!("connections/outbound/{backend}/8-clients/mtu-1280"));
            names.push(format!("connections/outbound/{backend}-sidecar/100-exclusions"));
        }
    }
    for (family, behind) in [("--seed=7", ""), ("--ipv6", "/ipv6")] {
        let mut arguments = vec![family.to_owned()];
        arguments.extend(names.iter().map(|name| format!("--case={name}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = bench(&built::tproxy(), &arguments);
        let cases = cases(&ran);
        assert_eq!(ran.status.code(), Some(0), "{cases:?}");
        assert_eq!(cases.len(), names.len());
        for name in &names {
            let figures = &named(&cases, &format!("{name}{behind}"))["figures"];
            for figure in ["rate", "p50", "both-cpu"] {
                assert!(figures[figure]["spread"]["median"].as_f64().unwrap() > 0.0, "{name}: {figures}");
                assert_eq!(figures[figure]["rounds"].as_array().unwrap().len(), 2, "{name}: {figures}");
            }
        }
        let compared = &named(&cases, &format!("bulk/inbound/straight{behind}"))["figures"]["rate"];
        assert_eq!(compared["to-baseline"]["with"], format!("bulk/inbound/direct{behind}"), "{compared}");
    }
}

#[test]
fn figures_are_shown_again_from_what_was_printed_with_a_page_and_a_plot() {
    if !require::nodes().met_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let cases = ["--case=connections/outbound/direct", "--case=connections/outbound/straight"];
    let ran = bench(Path::new("/bin/true"), &cases);
    std::fs::write(at("bench.json"), &ran.stdout).unwrap();
    let again = Command::new(env!("CARGO_BIN_EXE_netsim"))
        .args(["bench", "--from", &at("bench.json"), "--html", &at("page.html"), "--svg", &at("plot.svg")])
        .output()
        .unwrap();
    let text = String::from_utf8(again.stdout).unwrap();
    assert_eq!(again.status.code(), Some(0), "{text}");
    assert!(text.contains("connections, outbound, 4 clients, MTU 1500, 10 a round"), "{text}");
    let page = std::fs::read_to_string(at("page.html")).unwrap();
    assert!(page.contains("What a redirection costs") && page.contains("<svg"), "{page}");
    roxmltree::Document::parse(&std::fs::read_to_string(at("plot.svg")).unwrap()).unwrap();
}

/// Two full runs, as `ci/bench` keeps them.
const HISTORY: &str = r#"
{"revision": "aaaaaaaaaaaa", "date": "2026-11-25", "kernel": "6.18", "processor": "any", "cpu": {}, "guest": {"kernel": "6.12.1-1", "instructions": {"connections/outbound/straight/1-clients": 502000, "connections/outbound/ebpf/1-clients": 505000}}}
{"revision": "bbbbbbbbbbbb", "date": "2026-11-26", "kernel": "6.18", "processor": "any", "cpu": {}, "guest": {"kernel": "6.12.1-1", "instructions": {"connections/outbound/straight/1-clients": 502000, "connections/outbound/ebpf/1-clients": 504000}}}
"#;

#[test]
fn processes_stand_beside_what_they_contain_and_earlier_runs_in_the_page() {
    if !require::backend(BackendId::IptablesNft).met_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ran = bench(&built::tproxy(), &["--programs", "--case=connections/outbound/direct"]);
    let found: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stderr)));
    let programs: Vec<&str> =
        found["programs"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    for what in ["bare restores in turn", "install", "install again", "status", "uninstall"] {
        assert!(programs.contains(&format!("{what}, iptables-nft").as_str()), "{programs:?}");
    }
    std::fs::write(at("bench.json"), &ran.stdout).unwrap();
    std::fs::write(at("history"), HISTORY).unwrap();
    let drawn = |history: &str| {
        Command::new(env!("CARGO_BIN_EXE_netsim"))
            .args(["bench", "--from", &at("bench.json"), "--html", &at("page.html"), "--history", history])
            .output()
            .unwrap()
    };
    let ended = drawn(&at("history"));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stdout).contains("install again, iptables-nft"), "{ended:?}");
    let page = std::fs::read_to_string(at("page.html")).unwrap();
    for part in ["uninstall, iptables-nft", "Linux 6.12.1-1, revision bbbbbbbbbbbb", "aaaaaaa<"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let refused = drawn(&at("bench.json"));
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("bench.json is no history of benches: line 1"));
}

#[test]
fn a_case_without_the_redirection_that_it_claims_is_void() {
    if !require::backend(BackendId::IptablesNft).met_or_skip() {
        return;
    }
    // It is told to install, says that it did, and did not.
    let liar = Path::new("/bin/true");
    let names =
        ["straight", "iptables-nft", "iptables-nft-sidecar"].map(|way| format!("connections/outbound/{way}"));
    let queries = "queries/outbound/iptables-nft";
    let arguments: Vec<String> =
        names.iter().map(String::as_str).chain([queries]).map(|name| format!("--case={name}")).collect();
    let ran = bench(liar, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let cases = cases(&ran);
    assert_eq!(ran.status.code(), Some(1), "{cases:?}");
    assert!(named(&cases, &names[0])["figures"].is_object(), "{cases:?}");
    for (name, reason) in [
        (names[1].as_str(), "the sidecar accepted 0 connections"),
        (names[2].as_str(), "the rules of pod counted 0 of 30 flows"),
        (queries, "sidecar-dns answered 0 of 10"),
    ] {
        let case = named(&cases, name);
        assert!(case["void"].as_str().unwrap().starts_with(reason), "{case}");
        assert!(case["figures"].is_null(), "{case}");
    }
}

#[test]
fn a_revision_that_makes_the_kernel_work_more_is_worse_and_is_told() {
    if !require::backend(BackendId::IptablesNft).met_or_skip() {
        return;
    }
    // What it installs is right, and stands behind 3,000 rules that match nothing: far more than noise can hide.
    let folder = tempfile::tempdir().unwrap();
    let slower = folder.path().join("slower");
    let tproxy = built::tproxy();
    let script = "#!/bin/sh -e\n\
        { echo '*filter'; for number in $(seq 3000); do echo '-A OUTPUT -d 192.0.2.1/32 -p udp -j ACCEPT'; done; \
        echo COMMIT; } | iptables-nft-restore --noflush\n\
        sed '1,/^# tproxy:$/d' \"$0\" >/run/tproxy.behind\nchmod 755 /run/tproxy.behind\n\
        exec /run/tproxy.behind \"$@\"\n# tproxy:\n";
    // The node sees no other file of this test.
    let program = [script.as_bytes(), &std::fs::read(&tproxy).unwrap()].concat();
    std::fs::write(&slower, program).unwrap();
    std::fs::set_permissions(&slower, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let case = "connections/outbound/iptables-nft";
    let against = |now: &Path, before: &Path| {
        let before = format!("--against={}", before.display());
        let ran = bench_of(["--rounds=10", "--pieces=60"], now, &[&format!("--case={case}"), &before]);
        (ran.status.code(), named(&cases(&ran), case).clone())
    };
    let (code, worse) = against(&slower, &tproxy);
    assert_eq!(code, Some(1), "{worse}");
    assert!(worse["void"].is_null(), "{worse}");
    let ratio = &worse["figures"]["both-cpu"]["to-before"]["ratio"];
    assert!(ratio["from"].as_f64().unwrap() > 1.01, "{ratio}");
    let (code, better) = against(&tproxy, &slower);
    assert_eq!(code, Some(0), "{better}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |argument: &str, said: &str| {
        let ran = bench(Path::new("/bin/true"), &[argument]);
        assert_eq!(ran.status.code(), Some(2));
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(told.contains(said), "{told}");
    };
    refused("--case=iptables", "there is no case \"iptables\"; a name is LOAD/DIRECTION/WAY");
    refused("--html=/nowhere/page.html", "cannot write /nowhere/page.html");
}
