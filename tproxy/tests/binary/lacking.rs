//! What programs or kernel lack is gone round where the user left it open, and else refused by the name of its option.

use netsim::node::{Exit, Finished};

use super::flavours::{assert_agreed, is_legacy, is_nft, jumps};
use super::pod::{Pod, assert_refused};
use super::traffic::{BOTH, assert_captured, sidecar};

/// Puts a program of one flavour and both families before the real one: `script` may end it.
fn instead(pod: &Pod, flavour: &str, what: &str, script: &str) {
    pod.sh(&format!(
        "mkdir -p /run/local; for p in iptables ip6tables; do cat >/run/local/$p-{flavour}-{what} <<END\n\
         #!/bin/sh\nreal=/usr/sbin/$p-{flavour}-{what}\nEND\n\
         cat >>/run/local/$p-{flavour}-{what} <<'END'\n[ \"$1\" = --version ] && exec $real --version\n{script}\n\
         exec $real \"$@\"\nEND\nchmod +x /run/local/$p-{flavour}-{what}; done; \
         mountpoint -q /usr/local/sbin || mount --bind /run/local /usr/local/sbin"
    ));
}

/// A restore that refuses texts with `word`, with these words and this exit code. (Opened by that
/// name, its input is read from the beginning and stays for the real one.)
fn refusing(pod: &Pod, flavour: &str, word: &str, words: &str, code: u8) {
    let script =
        format!("grep -q -e '{word}' /proc/self/fd/0 && {{ echo \"$0 v1.8.9: {words}\" >&2; exit {code}; }}");
    instead(pod, flavour, "restore", &script);
}

/// What iptables says where its extension, or the kernel's, is missing.
fn without_match(pod: &Pod, flavour: &str, name: &str) {
    let words = format!("Couldn't load match \\`{name}':No such file or directory");
    refusing(pod, flavour, &format!("-m {name}"), &words, 2);
}

const KERNEL: &str = "RULE_APPEND failed (No such file or directory): rule in chain PREROUTING";

#[test]
fn an_option_that_programs_or_kernel_cannot_honour_is_refused_by_its_name() {
    for (needs, option, flags) in [
        ("-m multiport", "--exclude-inbound-ports", "--exclude-inbound-ports 22,8080"),
        (
            "-m multiport",
            "--exclude-outbound-ports-for-uids",
            "--exclude-outbound-ports-for-uids tcp:80,443:1000",
        ),
        ("--gid-owner", "--exclude-outbound-gids", "--exclude-outbound-gids 7"),
        ("-j CT", "--redirect-all-dns-traffic", "--redirect-all-dns-traffic"),
        ("-m udp", "--redirect-all-dns-traffic", "--redirect-all-dns-traffic"),
        ("-m conntrack", "--drop-invalid-packets", "--drop-invalid-packets"),
        ("-j LOG", "--iptables-logs", "--iptables-logs"),
    ] {
        for backend in ["nft", "legacy"] {
            let Some(pod) = Pod::start() else { return };
            refusing(&pod, backend, needs, "no such thing here", 1);
            pod.done(&format!("install --backend iptables-{backend}"));
            let before = pod.state();
            let refused = pod.tproxy(&format!("install --backend iptables-{backend} {flags}"));
            assert_refused(
                &refused,
                &format!("error: {option} cannot be installed for IPv4 with iptables-{backend} here"),
            );
            assert!(refused.stderr_text().contains("no such thing here"), "{refused}");
            assert_eq!(pod.state(), before, "{flags}");
        }
    }
}

#[test]
fn the_flavour_that_has_what_an_option_needs_is_taken_where_nothing_is_installed() {
    let Some(pod) = Pod::start() else { return };
    without_match(&pod, "nft", "multiport");
    let warned = pod.done("install --exclude-inbound-ports 22,8080").stderr_text();
    assert!(
        warned.contains("iptables-legacy is used") && warned.contains("--exclude-inbound-ports cannot"),
        "{warned}"
    );
    assert!(is_legacy(&pod));
    assert_agreed(&pod, "legacy", "--exclude-inbound-ports 22,8080");
}

#[test]
fn a_flavour_whose_kernel_side_loads_nothing_is_not_used() {
    let Some(pod) = Pod::start() else { return };
    refusing(&pod, "nft", "REDIRECT", KERNEL, 4);
    let warned = pod.done("install --max-retries 0").stderr_text();
    assert!(warned.contains("# [WARNING] iptables-legacy is used") && warned.contains(KERNEL), "{warned}");
    assert!(is_legacy(&pod));
    let _sidecar = sidecar(&pod);
    assert_captured(&pod, &BOTH);
    assert_agreed(&pod, "legacy", "");
}

#[test]
fn a_flavour_that_was_asked_for_is_not_gone_round_and_what_it_lacks_is_named() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        refusing(&pod, flavour, "REDIRECT", KERNEL, 4);
        let before = without_empty_tables(&pod);
        let refused = pod.tproxy(&format!("install --max-retries 0 --backend iptables-{flavour}"));
        let said = refused.stderr_text();
        assert_eq!(refused.exit, Exit::Code(1), "{refused}");
        let told = format!("everything was taken back; iptables-{flavour} cannot capture IPv4 here");
        assert!(said.contains(&told) && said.contains(KERNEL), "{said}");
        assert_eq!(without_empty_tables(&pod), before);
    }
}

/// The state without what netfilter and the journal's directory make on first use.
fn without_empty_tables(pod: &Pod) -> String {
    let state = pod.state();
    let kept =
        |line: &&str| !line.starts_with(['*', ':']) && *line != "COMMIT" && !line.starts_with("/run/tproxy");
    state.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_installation_is_not_moved_by_an_option_that_its_flavour_lacks() {
    let Some(pod) = Pod::start() else { return };
    without_match(&pod, "nft", "multiport");
    pod.done("install");
    assert_refused(
        &pod.tproxy("install --exclude-inbound-ports 22,8080"),
        "error: --exclude-inbound-ports cannot",
    );
    assert!(is_nft(&pod));
}

/// Rules of another program: where the kernel says that there are none, nothing is started to show them.
const SOMETHING_TO_SHOW: &str =
    "for i in iptables ip6tables; do $i-nft -t nat -A POSTROUTING -p icmp -j RETURN; done";

#[test]
fn where_the_kernel_has_no_nf_tables_at_all_legacy_is_used_by_every_verb() {
    let Some(pod) = Pod::start() else { return };
    let words = "Failed to initialize nft: Protocol not supported";
    pod.sh(SOMETHING_TO_SHOW);
    let fails = format!("echo \"$0: {words}\" >&2; exit 1");
    instead(&pod, "nft", "save", &fails);
    instead(&pod, "nft", "restore", &fails);
    assert_refused(&pod.tproxy("install --backend iptables-nft"), "iptables-nft does not work here");
    let warned = pod.done("install").stderr_text();
    assert!(
        warned.contains("iptables-nft-save is not used: it does not work here") && warned.contains(words),
        "{warned}"
    );
    let _sidecar = sidecar(&pod);
    assert_captured(&pod, &BOTH);
    assert!(pod.done("install").stdout_text().contains("nothing to change"));
    pod.done("status");
    assert!(pod.done("check").stdout_text().contains(words));
    pod.done("uninstall");
    assert_eq!(pod.sh("iptables-legacy-save | grep -c KUMA; true").trim(), "0");
    // What nft cannot show may be there all the same.
    let blind: Vec<Finished> = ["uninstall", "status"].iter().map(|verb| pod.tproxy(verb)).collect();
    for finished in blind {
        assert_refused(&finished, "iptables-nft does not work here");
    }
}

#[test]
fn a_try_that_hangs_ends_with_the_time_of_the_run() {
    let Some(pod) = Pod::start() else { return };
    instead(&pod, "nft", "restore", "exec sleep 600");
    let failed = pod.tproxy("install --exclude-inbound-ports 22 --timeout 500ms");
    assert_eq!(failed.exit, Exit::Code(1), "{failed}");
    assert!(failed.stderr_text().contains("did not finish"), "{failed}");
    assert_eq!(jumps(&pod), [0, 0]);
}

#[test]
fn the_defaults_cost_two_programs_and_so_does_doing_nothing() {
    let Some(pod) = Pod::start() else { return };
    for what in ["save", "restore"] {
        instead(&pod, "nft", what, &format!("echo {what} >>/run/started"));
    }
    let started = |verb: &str| {
        pod.sh("rm -f /run/started");
        pod.done(verb);
        pod.sh("sort /run/started").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(started("install"), "restore restore");
    assert_eq!(started("install"), "save save");
    // One try a family of all that the option needs.
    assert_eq!(started("install --exclude-inbound-ports 22"), "restore restore restore restore save save");
}

#[test]
fn a_save_that_fails_while_rules_can_be_loaded_stops_everything() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(SOMETHING_TO_SHOW);
    instead(&pod, "nft", "save", "echo \"$0: out of luck\" >&2; exit 1");
    let before = without_empty_tables(&pod);
    for verb in ["install", "uninstall", "status"] {
        let failed = pod.tproxy(verb);
        assert_eq!(failed.exit, Exit::Code(1), "{failed}");
        assert!(failed.stderr_text().contains("out of luck"), "{failed}");
    }
    assert_eq!(without_empty_tables(&pod), before);
}

#[test]
fn where_comments_are_refused_rules_are_written_without() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        without_match(&pod, flavour, "comment");
        for (flags, warned) in
            [("", true), ("--exclude-inbound-ports 22", true), ("--disable-comments", false)]
        {
            let install = format!("install --backend iptables-{flavour} {flags}");
            let said = pod.done(&install).stderr_text();
            assert_eq!(said.contains("rules are written without comments"), warned, "{said}");
            let saved = pod.sh(&format!("iptables-{flavour}-save"));
            assert!(saved.contains("-j KUMA_MESH_OUTBOUND") && !saved.contains("--comment"), "{saved}");
            let again = pod.done(&install);
            assert!(again.stdout_text().contains("nothing to change"), "{again}");
        }
        let _sidecar = sidecar(&pod);
        assert_captured(&pod, &BOTH);
        let checked = pod.done(&format!("check --backend iptables-{flavour}")).stdout_text();
        assert!(checked.contains("warning  ipv4/comment"), "{checked}");
        pod.done("uninstall");
        assert!(!pod.state().contains("KUMA"));
    }
}
