//! What comes back where eBPF programs captured, or do now: whichever backend was there before, and nothing where none was.

use netsim::node::Exit;
use netsim::require;
use rstest::rstest;
use tproxy::backend::BackendId;

use super::super::interruptions::rules;
use super::super::pod::{Pod, assert_refused};
use super::super::traffic::{BOTH, assert_captured, sidecar};
use super::{ended, ended_by_itself, guardian, install, over, status};

/// A pod where these programs can be loaded.
fn pod() -> Option<Pod> {
    require::backend(BackendId::Ebpf).met_or_skip().then(Pod::start).flatten()
}

/// All that an installation leaves in sight: rules, pins, ::6, and what the policy is.
fn state(pod: &Pod) -> String {
    let pins = pod.sh("find /sys/fs/bpf /run/kuma -mindepth 1 2>/dev/null | sort || true");
    let told = pod.tproxy("status --json").stdout_text();
    let policy = told.split(",\n  \"counters\"").next().unwrap().trim_end_matches("\n}\n").to_owned();
    format!("{}{pins}{}{policy}", rules(pod), pod.has_passthrough())
}

const EBPF: &str = "--backend ebpf --redirect-all-dns-traffic --exclude-inbound-ports 22";

/// Flags of the older installation, nothing for none, and of the new one.
#[rstest]
#[case::nothing("", EBPF)]
#[case::other_contents("--backend ebpf --exclude-outbound-ips 198.51.100.0/24", EBPF)]
#[case::rules("--backend iptables-nft --redirect-dns", EBPF)]
#[case::legacy_rules_of_ipv4("--backend iptables-legacy --ip-family-mode ipv4", EBPF)]
#[case::programs("--backend ebpf --exclude-inbound-ports 23", "--backend iptables-nft --redirect-dns")]
#[case::programs_of_ipv4("--backend ebpf --ip-family-mode ipv4", "--backend iptables-legacy")]
fn the_state_before_comes_back_when_nobody_confirms(#[case] older: &str, #[case] newer: &str) {
    let Some(pod) = pod() else { return };
    let _sidecar = sidecar(&pod);
    if !older.is_empty() {
        pod.done(&format!("install {older}"));
    }
    let before = state(&pod);
    let _shell = install(&pod, "2s", newer);
    assert_captured(&pod, &BOTH);
    ended_by_itself(&pod);
    assert_eq!(state(&pod), before);
    if !older.is_empty() {
        assert_captured(&pod, &BOTH[..1]);
        let again = pod.done(&format!("install {older}"));
        assert!(again.stdout_text().contains("nothing to change"), "{again}");
    }
    assert!(pod.tproxy("confirm").stderr_text().contains("error: too late to confirm"));
    pod.done("uninstall");
    assert!(!state(&pod).contains("tproxy-"), "{}", state(&pod));
}

#[test]
fn what_is_confirmed_stays_and_what_waits_is_told_and_refuses_another() {
    let Some(pod) = pod() else { return };
    let _sidecar = sidecar(&pod);
    pod.done("install --backend iptables-nft");
    let _shell = install(&pod, "600s", EBPF);
    assert!(status(&pod).1.contains("\"guarded\": true"), "{}", status(&pod).1);
    for more in ["", "--backend ebpf", "--backend ebpf --confirm-within 1s"] {
        assert_refused(&pod.tproxy(&format!("install {more}")), "waits to be confirmed, for ");
    }
    let process = guardian(&pod);
    pod.done("confirm");
    ended(&pod, &process);
    assert_captured(&pod, &BOTH);
    let confirmed = status(&pod);
    assert!(confirmed.0 == Exit::Code(0) && !confirmed.1.contains("unconfirmed"), "{}", confirmed.1);
    let said = pod.done(&format!("install {EBPF} --confirm-within 1s"));
    assert!(said.stdout_text().contains("# nothing has to be confirmed"), "{said}");
}

#[test]
fn without_its_guardian_an_installation_is_damaged_and_confirming_too_late_returns_what_was() {
    let Some(pod) = pod() else { return };
    pod.done("install --backend ebpf");
    let before = state(&pod);
    let _shell = install(&pod, "3s", EBPF);
    let process = guardian(&pod);
    assert_ne!(process, "", "it was too slow for this test");
    pod.sh(&format!("kill -KILL {process}"));
    ended(&pod, &process);
    assert_eq!(status(&pod).0, Exit::Code(4));
    over(&pod);
    assert!(pod.tproxy("confirm").stderr_text().contains("too late to confirm"));
    assert_eq!(state(&pod), before);
}

#[test]
fn uninstall_removes_what_waits_and_what_was_before_and_its_guardian_leaves() {
    let Some(pod) = pod() else { return };
    let nothing = state(&pod);
    pod.done("install --backend iptables-nft");
    let _shell = install(&pod, "600s", EBPF);
    let process = guardian(&pod);
    pod.done("uninstall");
    ended(&pod, &process);
    assert_eq!((guardian(&pod), state(&pod)), (String::new(), nothing));
}

#[test]
fn an_installation_that_is_killed_at_any_step_is_taken_back() {
    let Some(pod) = pod() else { return };
    pod.done("install --backend ebpf --exclude-inbound-ports 7");
    let before = state(&pod);
    for step in ["journal-begun", "programs-attached", "entries-written", "maps-exchanged", "journal-ended"] {
        let script = format!("TPROXY_FAULT_POINT={step} tproxy install --confirm-within 2s {EBPF}");
        let shell = super::shell(&pod, &script);
        assert!(shell.stdout().contains("ended by 137"), "{step}: {}{}", shell.stdout(), shell.stderr());
        ended_by_itself(&pod);
        assert_eq!(state(&pod), before, "{step}");
    }
}

#[test]
fn where_no_iptables_is_found_programs_are_guarded_all_the_same() {
    let Some(pod) = pod() else { return };
    pod.sh("mount -t tmpfs tmpfs /usr/sbin");
    let _shell = install(&pod, "2s", EBPF);
    assert!(pod.has_passthrough(), "it was too slow for this test");
    ended_by_itself(&pod);
    let pins = pod.sh("ls /sys/fs/bpf");
    assert!(!pins.contains("tproxy-") && !pod.has_passthrough(), "{pins}");
}

#[test]
fn an_interface_that_is_gone_keeps_nothing_else_from_coming_back() {
    let Some(pod) = pod() else { return };
    pod.sh("ip link add br0 type bridge; ip address add 10.79.0.1/24 dev br0; ip link set br0 up; \
            ip link add br1 type bridge; ip address add 10.80.0.1/24 dev br1; ip link set br1 up");
    pod.done("install --backend ebpf --vnet br0:10.79.0.0/24,br1:10.80.0.0/24");
    let _shell = install(&pod, "2s", "--backend iptables-nft");
    pod.sh("ip link del br0");
    ended_by_itself(&pod);
    let told = pod.done("status");
    assert!(told.stdout_text().contains("backend        ebpf\n"), "{told}");
    let filters = pod.sh("tc filter show dev br1 ingress");
    assert_eq!(filters.matches("direct-action").count(), 1, "{filters}");
}
