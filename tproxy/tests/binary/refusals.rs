//! What tproxy refuses: one clear sentence, exit code 2, and nothing changed.

use super::pod::{APP, Pod, assert_refused};
use netsim::node::{Finished, Program};

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
    for verb in ["install", "uninstall", "install --dry-run"] {
        assert_refused(&pod.tproxy(verb), "install the package iptables");
    }
    assert_eq!(pod.sh("cat /proc/net/ip_tables_names; ls /run/tproxy 2>/dev/null || true"), "");
}

#[test]
fn bad_values_are_refused() {
    for (arguments, words) in [
        ("install --redirect-inbound-port 70000", "--redirect-inbound-port: `70000` is not a port"),
        ("install --exclude-outbound-ports 80,http", "`http` is not a port"),
        ("install --kuma-dp-user ghost", "user `ghost` does not exist"),
        ("install --store-firewalld", "--store-firewalld cannot be installed by the iptables backend"),
        ("install --iptables-executables iptables:/bin/true", "three programs go together"),
        (
            "install --iptables-executables iptables:/none,iptables-save:/none,iptables-restore:/none",
            "/none is not a program that can be run",
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
    refused("/bin/true does not say that it is iptables", |pod| {
        pod.tproxy(&format!("install --iptables-executables {programs}"))
    });
}

#[test]
fn programs_of_two_flavours_are_refused() {
    let programs = "iptables:/usr/sbin/iptables-nft,iptables-save:/usr/sbin/iptables-nft-save,\
                    iptables-restore:/usr/sbin/iptables-legacy-restore";
    refused("iptables-legacy-restore is the legacy flavour, and nft is asked for", |pod| {
        pod.tproxy(&format!("install --iptables-executables {programs}"))
    });
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
