//! What tproxy refuses: one clear sentence, exit code 2, and nothing changed.

use super::pod::{APP, Pod, assert_refused};
use netsim::node::{Finished, Identity, Program};

/// Runs `attempt` in a pod and insists that it is refused with these words and changes nothing.
fn refused(words: &str, attempt: impl FnOnce(&Pod) -> Finished) {
    let Some(pod) = Pod::start() else { return };
    let before = pod.state();
    assert_refused(&attempt(&pod), words);
    assert_eq!(pod.state(), before);
}

/// Runs tproxy with another forbidden namespace than the launcher's, which does not let its own be changed.
fn forbidding(pod: &Pod, namespace: &str, verb: &str) -> Finished {
    let variable = format!("TPROXY_FORBID_NETNS={namespace}");
    Program::new("env").args([&variable, "tproxy", verb]).run(pod.node()).unwrap()
}

#[test]
fn a_forbidden_network_namespace_is_not_changed() {
    for verb in ["install", "uninstall"] {
        refused("TPROXY_FORBID_NETNS forbids", |pod| {
            let here = pod.node().net_id().to_string();
            forbidding(pod, &here, verb)
        });
    }
}

#[test]
fn a_forbidden_namespace_that_cannot_be_read_forbids_all() {
    refused("`4:x` is not a network namespace of the form device:inode", |pod| {
        forbidding(pod, "4:x", "install")
    });
}

#[test]
fn the_launcher_forbids_the_namespace_that_the_test_was_started_in() {
    let Some(pod) = Pod::start() else { return };
    let forbidden = pod.sh("echo $TPROXY_FORBID_NETNS");
    assert_eq!(forbidden.trim(), tproxy::host::netns::NetnsId::current().unwrap().to_string());
    assert_ne!(forbidden.trim(), pod.node().net_id().to_string());
}

#[test]
fn only_root_may_install_and_uninstall() {
    for verb in ["install", "uninstall"] {
        refused("needs root", |pod| pod.tproxy_program(verb).identity(APP).run(pod.node()).unwrap());
    }
}

#[test]
fn a_host_without_iptables_is_told_what_to_install() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("mkdir /run/empty; for d in /usr/sbin /sbin /usr/local/sbin; do mount --bind /run/empty $d; done");
    for verb in ["install", "uninstall"] {
        assert_refused(&pod.tproxy(verb), "install the package iptables");
    }
    assert_refused(
        &pod.tproxy("install --backend iptables-legacy"),
        "error: --backend: no iptables of the legacy flavour was found",
    );
    assert_eq!(pod.sh("cat /proc/net/ip_tables_names; ls /run/tproxy 2>/dev/null || true"), "");
}

#[test]
fn e16_a_dry_run_without_iptables_warns_and_shows_the_rules_of_a_host_that_has_it() {
    let Some(pod) = Pod::start() else { return };
    let arguments = "install --dry-run --redirect-dns --exclude-inbound-ports 22 --kuma-dp-user 5678";
    let with = pod.done(arguments).stdout_text();
    assert!(with.contains("### IPv4 ###") && with.contains("### IPv6 ###"), "{with}");
    pod.sh("mkdir /run/empty; for d in /usr/sbin /sbin /usr/local/sbin; do mount --bind /run/empty $d; done");
    for (identity, without_root) in [(Identity::ROOT, false), (APP, true)] {
        let finished = pod.tproxy_program(arguments).identity(identity).run(pod.node()).unwrap();
        assert!(finished.success(), "{finished}");
        assert_eq!(finished.stdout_text(), with);
        let said = finished.stderr_text();
        let warned = "# [WARNING] [dry-run]: no iptables was found in PATH or ";
        assert!(said.starts_with(warned), "{said}");
        assert!(said.contains("; these are the rules of a host that has it\n"), "{said}");
        assert_eq!(said.contains("without root"), without_root, "{said}");
    }
    let legacy = pod.done(&format!("{arguments} --backend iptables-legacy --json")).stdout_text();
    assert!(legacy.contains("\"iptables-legacy-restore\""), "{legacy}");
}

#[test]
fn a_dry_run_with_programs_that_are_not_there_is_refused() {
    let programs = "iptables:/none,iptables-save:/none,iptables-restore:/none";
    refused("--iptables-executables: /none is not a program that can be run", |pod| {
        pod.tproxy(&format!("install --dry-run --iptables-executables {programs}"))
    });
}

#[test]
fn what_shows_on_the_host_only_is_told_where_it_was_written() {
    let Some(pod) = Pod::start() else { return };
    let before = pod.state();
    let file = "kumaDPUser: ghost\n";
    let programs = "iptablesExecutables:\n  iptables: /bin/true\n  iptables-save: /bin/true\n  \
                    iptables-restore: /none\n";
    let mixed = "iptablesExecutables:\n  iptables: /usr/sbin/iptables-nft\n  iptables-save: \
                 /usr/sbin/iptables-legacy-save\n  iptables-restore: /usr/sbin/iptables-nft-restore\n";
    let of_other_flavour = "backend: iptables-legacy\niptablesExecutables: {ip6tables: /usr/sbin/ip6tables-nft, \
                            ip6tables-save: /usr/sbin/ip6tables-nft-save, ip6tables-restore: /usr/sbin/ip6tables-nft-restore}\n";
    for (text, place, sentence) in [
        (
            file,
            "1:13",
            "kumaDPUser: user `ghost` does not exist on this host; give a user that does, or a user id",
        ),
        (programs, "4:21", "iptablesExecutables.iptables-restore: /none is not a program that can be run"),
        (
            &programs.replace("/none", "/bin/true"),
            "2:13",
            "iptablesExecutables.iptables: /bin/true does not say that it is iptables: `true",
        ),
        (
            mixed,
            "3:18",
            "iptablesExecutables.iptables-save: /usr/sbin/iptables-legacy-save is the legacy flavour, and nft is \
             asked for or used beside it",
        ),
        (
            of_other_flavour,
            "2:124",
            "iptablesExecutables.ip6tables-restore: /usr/sbin/ip6tables-nft-restore is the nft flavour, and legacy \
             is asked for or used beside it",
        ),
        (
            "redirect: {outbound: {chainName: DNS}}\n",
            "1:34",
            "redirect.outbound.chainName: is the name of a chain that tproxy makes itself; give it another",
        ),
        ("ebpf: {enabled: true}\nlog: {enabled: true}\n", "2:16", "log.enabled: cannot be honoured by"),
        (
            "redirect: {dns: {enabled: true, resolvConfigPath: /run/gone}}\n",
            "1:51",
            "redirect.dns.resolvConfigPath: cannot read /run/gone: No such file or directory",
        ),
    ] {
        pod.node().write_file("/run/c.yaml", text).unwrap();
        let finished = pod.tproxy("install --config /run/c.yaml");
        let said = finished.stderr_text();
        assert_eq!(finished.exit, netsim::node::Exit::Code(2), "{finished}");
        assert!(said.starts_with(&format!("error: {sentence}")), "{said}");
        assert!(said.contains(&format!(" --> /run/c.yaml:{place}\n")) && said.contains('^'), "{said}");
        pod.sh("rm /run/c.yaml");
        assert_eq!(pod.state(), before);
    }
    let variable = "KUMA_TRANSPARENT_PROXY_IPTABLES_EXECUTABLES";
    let programs = "iptables:/none,iptables-save:/none,iptables-restore:/none";
    let finished = pod.tproxy_program("install").env(variable, programs).run(pod.node()).unwrap();
    assert_refused(&finished, &format!("error: {variable}: /none is not a program that can be run"));
}

#[test]
fn bad_values_are_refused() {
    for (arguments, words) in [
        ("install --redirect-inbound-port 70000", "--redirect-inbound-port: `70000` is not a port"),
        ("install --exclude-outbound-ports 80,http", "`http` is not a port"),
        ("install --kuma-dp-user ghost", "error: --kuma-dp-user: user `ghost` does not exist"),
        (
            "install --backend ebpf --drop-invalid-packets",
            "error: --drop-invalid-packets: cannot be honoured by the ebpf backend",
        ),
        ("install --iptables-executables iptables:/bin/true", "three programs go together"),
        (
            "install --iptables-executables iptables:/none,iptables-save:/none,iptables-restore:/none",
            "error: --iptables-executables: /none is not a program that can be run",
        ),
        ("install --config /nowhere.yaml", "/nowhere.yaml"),
        ("install --redirect-outbound-port 15006", "is the inbound port, too"),
    ] {
        refused(words, |pod| pod.tproxy(arguments));
    }
}

#[test]
fn programs_that_are_not_iptables_are_refused() {
    let programs = "iptables:/bin/true,iptables-save:/bin/true,iptables-restore:/bin/true";
    refused("error: --iptables-executables: /bin/true does not say that it is iptables", |pod| {
        pod.tproxy(&format!("install --iptables-executables {programs}"))
    });
}

#[test]
fn programs_of_two_flavours_are_refused() {
    let programs = "iptables:/usr/sbin/iptables-nft,iptables-save:/usr/sbin/iptables-nft-save,\
                    iptables-restore:/usr/sbin/iptables-legacy-restore";
    refused(
        "error: --iptables-executables: /usr/sbin/iptables-legacy-restore is the legacy flavour, and nft is asked for",
        |pod| pod.tproxy(&format!("install --iptables-executables {programs}")),
    );
}

#[test]
fn a_wrong_configuration_file_is_shown_with_line_and_caret() {
    let Some(pod) = Pod::start() else { return };
    pod.node().write_file("/run/c.yaml", "redirect:\n  inbound:\n    prt: 1\n").unwrap();
    let finished = pod.tproxy("install --config /run/c.yaml");
    let said = finished.stderr_text();
    assert!(said.contains("/run/c.yaml:3:5") && said.contains("^^^") && said.contains("`port`"), "{said}");
}

#[test]
fn usage_errors_have_exit_code_2() {
    let Some(pod) = Pod::start() else { return };
    for arguments in ["", "instal", "install --no-such-flag", "explain --direction outbound"] {
        assert_eq!(pod.tproxy(arguments).exit, netsim::node::Exit::Code(2), "{arguments}");
    }
    assert!(pod.done("--version").stdout_text().starts_with("tproxy "));
}

#[test]
fn a_lock_that_is_held_by_an_ordinary_user_is_named_at_once() {
    for listen in ["", "s.listen(1);"] {
        refused_while_held(listen);
    }
}

/// Holds the lock as the application's user, listening or not, and runs `tproxy install` meanwhile.
fn refused_while_held(listen: &str) {
    let Some(pod) = Pod::start() else { return };
    let script = format!(
        "import signal, socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0tproxy/lock'); {listen} \
         print('held', flush=True); signal.pause()"
    );
    let holder = Program::new("python3").args(["-c", &script]).identity(APP);
    let holder = holder.spawn(pod.node(), "held").unwrap();
    let finished = pod.tproxy("install");
    let said = finished.stderr_text();
    assert_eq!(finished.exit, netsim::node::Exit::Code(1), "{finished}");
    assert!(said.contains(&format!("held by pid {} of uid 1000", holder.id())), "{said}");
}
