//! Random options and flows: those of fixed seeds go where the policy says, on every backend, and a tproxy that does not do
//! what it is told is found out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod built;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use netsim::fuzz::{self, Found, Options};
use netsim::{require, scenario};
use rstest::rstest;
use tproxy::backend::BackendId;

fn drawn(tproxy: &Path, backends: &[BackendId], seed: u64, cases: u64) -> Found {
    let backends = backends.to_vec();
    let programs = vec![("unchanged-tproxy".to_owned(), built::tproxy())];
    let options = Options { tproxy: tproxy.to_owned(), programs, seed, cases, first: 0, flows: 60, backends };
    fuzz::run(&options, |_| ()).unwrap()
}

fn all_run(backends: &[BackendId]) -> bool {
    backends.iter().all(|backend| require::backend(*backend).met_or_skip())
}

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
fn flows_of_a_fixed_seed_go_where_the_policy_says_on_every_backend(#[case] seed: u64) {
    let backends = [BackendId::IptablesNft, BackendId::IptablesLegacy];
    if !all_run(&backends) {
        return;
    }
    let found = drawn(&built::tproxy(), &backends, seed, 20);
    assert_eq!(found.failures, Vec::<String>::new());
    assert!(found.flows > 500, "{found:?}");
    assert!(found.claimed * 4 >= found.flows, "at least a quarter is judged without tproxy: {found:?}");
}

/// A tproxy that changes its arguments before it takes them.
fn changed(folder: &Path, change: &str) -> std::path::PathBuf {
    let script = folder.join("tproxy");
    let text = format!(
        "#!/bin/sh\nfor word do shift\n{change}\nset -- \"$@\" \"$word\"\ndone\nexec unchanged-tproxy \"$@\"\n"
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[rstest]
#[case::forgotten("exclude-outbound-ports", "case $word in --exclude-outbound-ports=*) continue;; esac")]
#[case::another_port(
    "redirect-outbound-port",
    "case $word in --redirect-outbound-port=*) word=--redirect-outbound-port=15001;; esac"
)]
#[case::widened(
    "exclude-outbound-ips",
    "case $word in --exclude-outbound-ips=*) word=--exclude-outbound-ips=0.0.0.0/0,::/0;; esac"
)]
fn a_tproxy_that_does_otherwise_is_found_out_with_a_scenario_that_shows_it(
    #[case] option: &str,
    #[case] change: &str,
) {
    let backends = [BackendId::IptablesNft];
    if !all_run(&backends) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let found = drawn(&changed(folder.path(), change), &backends, 4, 60);
    let named = found.failures.iter().find(|failure| failure.contains(option));
    let failure = named.unwrap_or_else(|| unreachable!("nothing was found out: {found:?}"));
    let (_, scenario) = failure.split_once("\n# case").unwrap();
    let text = format!("# case{scenario}");
    scenario::parse("found", "found.yaml", text).unwrap();
}
