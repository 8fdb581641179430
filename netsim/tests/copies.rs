//! Many copies of netsim at the same time: each proves the same scenario, and none notices the others.

mod built;

use std::process::{Command, Stdio};

use netsim::require;
use tproxy::backend::BackendId;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/outbound/default.yaml");
const COPIES: usize = 20;

#[test]
fn twenty_copies_side_by_side_all_pass() {
    if !require::backend(BackendId::IptablesNft).met_or_skip() {
        return;
    }
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_netsim"))
            .args(["run", SCENARIO, "--only", "iptables-nft", "--tproxy"])
            .arg(built::tproxy())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // All are started before the first is waited for.
    let copies: Vec<_> = (0..COPIES).map(|_| start()).collect();
    for copy in copies {
        let ended = copy.wait_with_output().unwrap();
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.contains("2 passed, 0 failed, 0 skipped"), "{said}");
    }
}
