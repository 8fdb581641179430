//! Which flavour of iptables is installed with: found by what is there, proven by packets, and never by looking alone.

use netsim::node::{Exit, Finished};

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
fn jumps(pod: &Pod) -> [u32; 2] {
    let count = "grep -c -e '-j KUMA_MESH_OUTBOUND$'";
    let scripts = [
        format!("command -v iptables-nft-save >&2 && iptables-nft-save | {count}"),
        format!("grep -q . /proc/net/ip_tables_names && iptables-legacy-save | {count}"),
    ];
    scripts.map(|script| pod.sh(&format!("{{ {script}; }} || true")).trim().parse().unwrap_or(0))
}

fn is_nft(pod: &Pod) -> bool {
    jumps(pod) == [1, 0]
}

fn is_legacy(pod: &Pod) -> bool {
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
fn assert_agreed(pod: &Pod, flavour: &str, flags: &str) {
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

#[test]
fn where_the_kernel_has_no_nf_tables_at_all_legacy_is_used_by_every_verb() {
    let Some(pod) = Pod::start() else { return };
    let words = "Failed to initialize nft: Protocol not supported";
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
fn the_defaults_cost_four_programs_and_doing_nothing_two() {
    let Some(pod) = Pod::start() else { return };
    for what in ["save", "restore"] {
        instead(&pod, "nft", what, &format!("echo {what} >>/run/started"));
    }
    let started = |verb: &str| {
        pod.sh("rm -f /run/started");
        pod.done(verb);
        pod.sh("sort /run/started").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(started("install"), "restore restore save save");
    assert_eq!(started("install"), "save save");
    // One try a family of all that the option needs.
    assert_eq!(started("install --exclude-inbound-ports 22"), "restore restore restore restore save save");
}

#[test]
fn a_save_that_fails_while_rules_can_be_loaded_stops_everything() {
    let Some(pod) = Pod::start() else { return };
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
