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
    Command::new(env!("CARGO_BIN_EXE_netsim"))
        .args(["bench", "--rounds=2", "--connections=10", "--json", "--tproxy"])
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
fn every_case_is_measured_and_compared_in_either_family() {
    if !require::nodes().met_or_skip() {
        return;
    }
    for family in ["--seed=7", "--ipv6"] {
        let mut arguments = vec![family];
        let mut names = vec!["direct", "straight"];
        for backend in [BackendId::IptablesNft, BackendId::IptablesLegacy] {
            if require::backend(backend).met_or_skip() {
                names.extend(match backend {
                    BackendId::IptablesNft => ["iptables-nft", "iptables-nft/sidecar"],
                    _ => ["iptables-legacy", "iptables-legacy/10000-exclusions"],
                });
            }
        }
        arguments.extend(names.iter().flat_map(|name| ["--case", name]));
        let ran = bench(&built::tproxy(), &arguments);
        let cases = cases(&ran);
        assert_eq!(ran.status.code(), Some(0), "{cases:?}");
        assert_eq!(cases.len(), names.len());
        for name in names {
            let figures = &named(&cases, name)["figures"];
            for figure in ["connections_per_second", "pod_cpu", "both_cpu"] {
                assert!(figures[figure]["median"].as_f64().unwrap() > 0.0, "{name}: {figures}");
            }
            assert_eq!(figures["to_straight"]["with"] == "straight", name != "straight", "{name}: {figures}");
        }
    }
}

#[test]
fn a_case_without_the_redirection_that_it_claims_is_void() {
    if !require::backend(BackendId::IptablesNft).met_or_skip() {
        return;
    }
    // It is told to install, says that it did, and did not.
    let liar = Path::new("/bin/true");
    let ran = bench(liar, &["--case=straight", "--case=iptables-nft", "--case=iptables-nft/sidecar"]);
    let cases = cases(&ran);
    assert_eq!(ran.status.code(), Some(1), "{cases:?}");
    assert!(named(&cases, "straight")["figures"].is_object(), "{cases:?}");
    for (name, reason) in [
        ("iptables-nft", "the sidecar accepted 0 connections"),
        ("iptables-nft/sidecar", "the rules counted 0 of 30 connections"),
    ] {
        let case = named(&cases, name);
        assert!(case["void"].as_str().unwrap().starts_with(reason), "{case}");
        assert!(case["figures"].is_null(), "{case}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let ran = bench(Path::new("/bin/true"), &["--case=iptables"]);
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("there is no case \"iptables\"; there are direct, straight"), "{said}");
}
