//! Which flavour of iptables is installed with: found by what is there, proven by packets, and never by looking alone.

use netsim::node::Exit;

use super::pod::{Pod, assert_refused};
use super::traffic::{BOTH, assert_captured, sidecar};

const NFT: &str = "ip*tables-nft* xtables-nft-multi";
const LEGACY: &str = "ip*tables-legacy* xtables-legacy-multi";

/// Lets the pod have these programs of /usr/sbin and no others there.
fn only(pod: &Pod, programs: &str) {
    pod.sh(&format!(
        "mkdir /run/sbin; cd /usr/sbin; cp -a {programs} /run/sbin; mount --bind /run/sbin /usr/sbin"
    ));
}

/// How many jumps of ours there are in nft and in legacy, IPv4. Each is asked only where it has programs, legacy only where
/// the kernel has its tables.
pub(crate) fn jumps(pod: &Pod) -> [u32; 2] {
    let count = "grep -c -e '-j KUMA_MESH_OUTBOUND$'";
    let scripts = [
        format!("command -v iptables-nft-save >&2 && iptables-nft-save | {count}"),
        format!("grep -q . /proc/net/ip_tables_names && iptables-legacy-save | {count}"),
    ];
    scripts.map(|script| pod.sh(&format!("{{ {script}; }} || true")).trim().parse().unwrap_or(0))
}

pub(crate) fn is_nft(pod: &Pod) -> bool {
    jumps(pod) == [1, 0]
}

pub(crate) fn is_legacy(pod: &Pod) -> bool {
    jumps(pod) == [0, 1]
}

/// A rule of another program.
fn foreign(pod: &Pod, flavour: &str) {
    pod.sh(&format!("iptables-{flavour} -t nat -A OUTPUT -d 192.0.2.77 -j RETURN"));
}

fn docker(pod: &Pod, flavour: &str) {
    pod.sh(&format!(
        "iptables-{flavour} -t nat -N DOCKER_OUTPUT; iptables-{flavour} -t nat -A OUTPUT -d 127.0.0.11 -j DOCKER_OUTPUT"
    ));
}

/// Insists that `install` again, `status` and `check` agree with what is installed, and that `uninstall` removes it.
pub(crate) fn assert_agreed(pod: &Pod, flavour: &str, flags: &str) {
    let again = pod.done(&format!("install {flags}"));
    assert!(again.stdout_text().contains("nothing to change"), "{again}");
    assert!(pod.done("status").stdout_text().contains(&format!("iptables-{flavour}\n")));
    let check = pod.done("check --exclude-inbound-ports 22").stdout_text();
    let line = check.lines().find(|line| line.contains(" flavour ")).unwrap();
    assert!(line.contains(&format!("iptables-{flavour} is used")), "{line}");
    pod.done("uninstall");
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
}

#[test]
fn a_host_without_rules_gets_nft_and_looking_leaves_no_legacy_table() {
    let Some(pod) = Pod::start() else { return };
    let said = pod.done("install --verbose").stdout_text();
    assert!(
        said.contains("# iptables-nft is used: no rules of other programs speak for iptables-legacy"),
        "{said}"
    );
    assert!(is_nft(&pod));
    assert_agreed(&pod, "nft", "");
    assert_eq!(pod.sh("cat /proc/net/ip_tables_names /proc/net/ip6_tables_names"), "");
}

#[test]
fn looking_at_an_empty_host_leaves_it_empty() {
    let Some(pod) = Pod::start() else { return };
    for verb in ["status", "check", "install --dry-run", "uninstall --dry-run", "uninstall"] {
        pod.tproxy(verb);
        let tables =
            "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; iptables-nft-save; ip6tables-nft-save";
        assert_eq!(pod.sh(tables), "", "{verb}");
    }
}

#[test]
fn rules_of_others_in_legacy_alone_lead_there() {
    let Some(pod) = Pod::start() else { return };
    foreign(&pod, "legacy");
    let said = pod.done("install --verbose").stdout_text();
    assert!(said.contains("# iptables-legacy is used: other programs have rules there"), "{said}");
    assert!(is_legacy(&pod));
    let _sidecar = sidecar(&pod);
    assert_captured(&pod, &BOTH);
    assert_agreed(&pod, "legacy", "");
}

#[test]
fn rules_of_others_in_both_mean_nft_and_a_warning() {
    let Some(pod) = Pod::start() else { return };
    foreign(&pod, "nft");
    foreign(&pod, "legacy");
    let warned = pod.done("install").stderr_text();
    assert!(
        warned.contains("other programs have rules there and in iptables-legacy, too; choose with --backend"),
        "{warned}"
    );
    assert!(is_nft(&pod));
    assert_agreed(&pod, "nft", "");
}

#[test]
fn of_two_flavours_with_rules_that_with_dockers_chain_counts() {
    for (flavour, other) in [("legacy", "nft"), ("nft", "legacy")] {
        let Some(pod) = Pod::start() else { return };
        foreign(&pod, other);
        docker(&pod, flavour);
        let finished = pod.done("install --verbose");
        assert!(finished.stdout_text().contains("Docker's chain DOCKER_OUTPUT is there"), "{finished}");
        assert!(!finished.stderr_text().contains("--backend"), "{finished}");
        assert!(if flavour == "nft" { is_nft(&pod) } else { is_legacy(&pod) }, "{flavour}");
        assert_agreed(&pod, flavour, "");
    }
}

#[test]
fn an_installation_stays_in_its_flavour_until_others_rules_or_the_user_move_it() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --backend iptables-legacy");
    for _ in 0..2 {
        assert!(pod.done("install").stdout_text().contains("nothing to change"));
        assert!(is_legacy(&pod));
    }
    pod.done("install --exclude-outbound-ports 22");
    assert!(is_legacy(&pod));
    foreign(&pod, "nft");
    pod.done("install");
    assert!(is_nft(&pod));
    assert!(pod.done("install").stdout_text().contains("nothing to change"));
    pod.done("install --backend iptables-legacy");
    assert!(is_legacy(&pod));
    pod.done("uninstall");
    assert!(!pod.state().contains("KUMA"));
}

#[test]
fn a_host_with_legacy_programs_alone_is_installed_with_these() {
    let Some(pod) = Pod::start() else { return };
    only(&pod, LEGACY);
    let said = pod.done("install --verbose").stdout_text();
    assert!(
        said.contains("# iptables-legacy is used: there are no programs of iptables-nft that work"),
        "{said}"
    );
    let _sidecar = sidecar(&pod);
    assert_captured(&pod, &BOTH);
    assert_agreed(&pod, "legacy", "");
    assert_refused(&pod.tproxy("install --backend iptables-nft"), "no iptables of the nft flavour was found");
}

#[test]
fn a_host_with_nft_programs_alone_is_installed_with_these_whatever_legacy_rules_there_are() {
    let Some(pod) = Pod::start() else { return };
    foreign(&pod, "legacy");
    only(&pod, NFT);
    pod.done("install");
    let _sidecar = sidecar(&pod);
    assert_captured(&pod, &BOTH);
    assert_agreed(&pod, "nft", "");
}

#[test]
fn programs_without_a_flavour_in_their_names_are_asked_for_it() {
    for (flavour, other) in [("legacy", "nft"), ("nft", "legacy")] {
        let Some(pod) = Pod::start() else { return };
        // A copy under another name is no link that tells.
        pod.sh(&format!(
            "mkdir /run/sbin; for p in iptables ip6tables; do for w in '' -save -restore; do \
             cp /usr/sbin/xtables-{flavour}-multi /run/sbin/$p$w; done; done; mount --bind /run/sbin /usr/sbin"
        ));
        assert_refused(&pod.tproxy(&format!("install --backend iptables-{other}")), "was found in PATH");
        pod.done("install");
        let _sidecar = sidecar(&pod);
        assert_captured(&pod, &BOTH);
        assert_agreed(&pod, flavour, "");
    }
}

#[test]
fn programs_too_old_to_tell_their_version_are_legacy() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(
        "mkdir /run/sbin; cp /usr/sbin/xtables-legacy-multi /run/sbin; \
         for p in iptables ip6tables; do for w in save restore; do printf '#!/bin/sh\\n\
         [ \"$1\" = --version ] && { echo \"$0: unrecognized option '\"'--version'\"'\" >&2; exit 2; }\\n\
         exec /usr/sbin/xtables-legacy-multi %s \"$@\"\\n' $p-$w >/run/sbin/$p-$w; chmod +x /run/sbin/$p-$w; done; done; \
         mount --bind /run/sbin /usr/sbin",
    );
    pod.done("install");
    let _sidecar = sidecar(&pod);
    assert_captured(&pod, &BOTH);
    pod.done("uninstall");
}

#[test]
fn without_ip6tables_ipv4_is_captured_alone_and_that_is_said() {
    for (flavour, programs) in
        [("nft", "iptables-nft* xtables-nft-multi"), ("legacy", "iptables-legacy* xtables-legacy-multi")]
    {
        let Some(pod) = Pod::start() else { return };
        only(&pod, programs);
        let said = pod.done("install").stderr_text();
        let reason = format!("only IPv4 is captured: no ip6tables of the {flavour} flavour was found");
        assert!(said.contains(&reason), "{said}");
        let _sidecar = sidecar(&pod);
        assert_captured(&pod, &BOTH[..1]);
        assert!(!pod.has_passthrough());
        assert_agreed(&pod, flavour, "");
    }
}

#[test]
fn ipv6_follows_the_flavour_of_ipv4_even_where_it_has_no_programs_there() {
    let Some(pod) = Pod::start() else { return };
    foreign(&pod, "legacy");
    only(&pod, "iptables-legacy* xtables-legacy-multi ip*tables-nft* xtables-nft-multi");
    let said = pod.done("install").stderr_text();
    assert!(said.contains("no ip6tables of the legacy flavour was found"), "{said}");
    assert!(is_legacy(&pod));
    assert_eq!(pod.sh("ip6tables-nft-save | grep -c KUMA; true").trim(), "0");
}

#[test]
fn with_ipv6_disabled_both_flavours_capture_ipv4() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        pod.node().set_sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        pod.done(&format!("install --backend iptables-{flavour}"));
        let _sidecar = sidecar(&pod);
        assert_captured(&pod, &BOTH[..1]);
        pod.done("uninstall");
    }
}

#[test]
fn named_programs_are_used_exactly_and_nothing_is_gone_round() {
    let Some(pod) = Pod::start() else { return };
    foreign(&pod, "legacy");
    pod.sh(
        "mkdir /run/own; for p in '' -save; do ln -s /usr/sbin/iptables-nft$p /run/own/iptables$p; done; \
            printf '#!/bin/sh\\n[ \"$1\" = --version ] && exec iptables-nft-restore --version\\n\
            echo not today >&2; exit 2\\n' >/run/own/iptables-restore; chmod +x /run/own/iptables-restore",
    );
    let named = "--iptables-executables iptables:/run/own/iptables,iptables-save:/run/own/iptables-save,\
                 iptables-restore:/run/own/iptables-restore";
    let refused = pod.tproxy(&format!("install --ip-family-mode ipv4 {named}"));
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    assert!(refused.stderr_text().contains("/run/own/iptables-restore could not load"), "{refused}");
    assert_eq!(jumps(&pod), [0, 0]);
    pod.sh("ln -sf /usr/sbin/iptables-nft-restore /run/own/iptables-restore");
    let said = pod.done(&format!("install --verbose {named}")).stdout_text();
    assert!(said.contains("# iptables-nft is used: --iptables-executables names its programs"), "{said}");
    assert!(said.contains("load IPv4 rules with /run/own/iptables-restore"), "{said}");
    assert!(is_nft(&pod));
}

#[test]
fn named_programs_of_ipv6_decide_the_flavour_of_both() {
    let Some(pod) = Pod::start() else { return };
    let named = "ip6tables:/usr/sbin/ip6tables-legacy,ip6tables-save:/usr/sbin/ip6tables-legacy-save,\
                 ip6tables-restore:/usr/sbin/ip6tables-legacy-restore";
    pod.done(&format!("install --iptables-executables {named}"));
    assert!(is_legacy(&pod));
}

#[test]
fn d17_an_installation_of_either_flavour_is_found_and_removed_with_and_without_the_journal() {
    for flavour in ["nft", "legacy"] {
        for forget in ["true", "rm -r /run/tproxy"] {
            let Some(pod) = Pod::start() else { return };
            pod.done(&format!("install --backend iptables-{flavour}"));
            foreign(&pod, if flavour == "nft" { "legacy" } else { "nft" });
            pod.sh(forget);
            pod.done("uninstall");
            let state = pod.state();
            assert!(!state.contains("KUMA") && state.contains("192.0.2.77"), "{state}");
        }
    }
}
