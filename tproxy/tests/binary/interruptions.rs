//! Whatever ends a run half-way leaves the state before or after, or one that the next run heals.

use netsim::node::{Exit, Finished, Program};

use super::pod::Pod;

/// Three tables, both families.
const FLAGS: &str = "--redirect-all-dns-traffic --drop-invalid-packets --exclude-outbound-ports 22";
const FLAVOURS: [&str; 2] = ["nft", "legacy"];
const FAMILIES: [&str; 2] = ["iptables", "ip6tables"];

/// What a restore program does that is caught in the middle. `$real` is the true one; its parent is tproxy.
const CATCHES: [(&str, &str); 3] = [
    ("before its first table", "kill -KILL $PPID; sleep 5"),
    (
        "between two tables",
        "sed '/^COMMIT/q' >/run/first; $real --noflush </run/first; kill -KILL $PPID; sleep 5",
    ),
    ("after its last table", "$real \"$@\"; kill -KILL $PPID; sleep 5"),
];

/// Arguments of `tproxy install` with a restore program of one family that does `script` instead.
fn with_restore(pod: &Pod, flavour: &str, family: &str, script: &str, more: &str) -> String {
    pod.sh(&format!(
        "mkdir -p /run/bin; readlink /proc/self/ns/net >/run/bin/here; cat >/run/bin/restore <<'END'\n#!/bin/sh\n\
         real=/usr/sbin/{family}-{flavour}-restore\n[ \"$1\" = --version ] && exec $real --version\n\
         # Tries in other namespaces change nothing.\n\
         [ $(readlink /proc/self/ns/net) = $(cat /run/bin/here) ] || exec $real \"$@\"\n\
         {script}\nEND\nchmod +x /run/bin/restore"
    ));
    let programs: Vec<String> = FAMILIES
        .iter()
        .flat_map(|base| {
            ["", "-save", "-restore"].map(|what| {
                let caught = *base == family && what == "-restore";
                let real = format!("/usr/sbin/{base}-{flavour}{what}");
                format!("{base}{what}:{}", if caught { "/run/bin/restore".to_owned() } else { real })
            })
        })
        .collect();
    format!("install {FLAGS} --iptables-executables {} {more}", programs.join(","))
}

/// Runs `tproxy install` so.
fn install_with(pod: &Pod, flavour: &str, family: &str, script: &str, more: &str) -> Finished {
    let finished = pod.tproxy(&with_restore(pod, flavour, family, script, more));
    // The journal remembers with what rules were loaded, and this program would be caught again.
    pod.sh("rm /run/bin/restore");
    finished
}

fn install(flavour: &str) -> String {
    format!("install {FLAGS} --backend iptables-{flavour}")
}

/// The rules and addresses, without files: the restore programs of these tests are files, too.
pub(crate) fn rules(pod: &Pod) -> String {
    let saved = pod.sh("for f in nft legacy; do iptables-$f-save; ip6tables-$f-save; done | \
         sed -e '/^#/d' -e '/^:.* ACCEPT/d' -e '/^\\*/d' -e '/^COMMIT/d' -e 's/ \\[.*//' | sort");
    format!("{saved}{}", pod.has_passthrough())
}

#[test]
fn a_kill_at_any_step_is_healed_by_the_next_install() {
    for (flavour, family, earlier) in combinations() {
        for (when, script) in CATCHES {
            let Some(pod) = Pod::start() else { return };
            pod.done(&install(flavour));
            let wanted = rules(&pod);
            pod.done("uninstall");
            prepare(&pod, flavour, earlier);
            let killed = install_with(&pod, flavour, family, script, "");
            assert_eq!(killed.exit, Exit::Signal(9), "{killed}");
            pod.done(&install(flavour));
            assert_eq!(rules(&pod), wanted, "{flavour}, {family}, {earlier}, killed {when}");
            pod.done("status");
        }
    }
}

#[test]
fn a_kill_at_any_step_is_healed_by_uninstalling() {
    for (flavour, family, earlier) in combinations() {
        for (when, script) in CATCHES {
            let Some(pod) = Pod::start() else { return };
            let before = rules(&pod);
            prepare(&pod, flavour, earlier);
            let killed = install_with(&pod, flavour, family, script, "");
            assert_eq!(killed.exit, Exit::Signal(9), "{killed}");
            pod.done("uninstall");
            assert_eq!(rules(&pod), before, "{flavour}, {family}, {earlier}, killed {when}");
            assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
        }
    }
}

#[test]
fn without_its_journal_a_killed_run_is_healed_too() {
    for flavour in FLAVOURS {
        for (when, script) in CATCHES {
            let Some(pod) = Pod::start() else { return };
            let before = rules(&pod);
            pod.done(&install(flavour));
            let wanted = rules(&pod);
            install_with(&pod, flavour, "iptables", script, "--exclude-inbound-ports 9");
            pod.sh("rm -r /run/tproxy");
            pod.done(&install(flavour));
            assert_eq!(rules(&pod), wanted, "{flavour}, killed {when}");
            pod.done("uninstall");
            assert_eq!(rules(&pod), before, "{flavour}, killed {when}");
        }
    }
}

#[test]
fn a_signal_that_asks_to_end_takes_everything_back() {
    for (flavour, signal, number) in [("nft", "TERM", 15), ("legacy", "INT", 2), ("nft", "HUP", 1)] {
        for earlier in ["nothing", "another"] {
            let Some(pod) = Pod::start() else { return };
            prepare(&pod, flavour, earlier);
            let before = rules(&pod);
            let script = format!("kill -{signal} $PPID; exec $real \"$@\"");
            let ended = install_with(&pod, flavour, "ip6tables", &script, "");
            assert_eq!(ended.exit, Exit::Signal(number), "{ended}");
            assert!(ended.stderr_text().contains("everything was taken back"), "{ended}");
            assert_eq!(rules(&pod), before, "{flavour} {signal} {earlier}");
        }
    }
}

#[test]
fn a_signal_that_asks_to_end_ends_the_pause_before_another_try() {
    for signal in ["TERM", "INT"] {
        let Some(pod) = Pod::start() else { return };
        prepare(&pod, "nft", "another");
        let before = rules(&pod);
        // Once the program has ended, which is when the pause begins.
        let script = format!(
            "(while kill -0 $$; do :; done; kill -{signal} $PPID) </dev/null >/dev/null 2>&1 &\necho busy >&2; exit 4"
        );
        let ended =
            install_with(&pod, "nft", "ip6tables", &script, "--timeout 20h --sleep-between-retries 1h");
        assert!(matches!(ended.exit, Exit::Signal(2 | 15)), "{ended}");
        assert!(ended.stderr_text().contains("ended by SIG"), "{ended}");
        assert_eq!(rules(&pod), before, "{signal}");
    }
}

#[test]
fn a_limit_below_a_second_is_not_said_to_be_none() {
    let Some(pod) = Pod::start() else { return };
    let ended = install_with(&pod, "nft", "iptables", "exec sleep 60", "--timeout 900ms");
    assert_eq!(ended.exit, Exit::Code(1), "{ended}");
    assert!(ended.stderr_text().contains("did not finish in the time that was left"), "{ended}");
}

#[test]
fn a_signal_that_is_ignored_from_the_start_ends_nothing() {
    let Some(pod) = Pod::start() else { return };
    let arguments = with_restore(&pod, "nft", "ip6tables", "kill -HUP $PPID; exec $real \"$@\"", "");
    let nohup = format!("trap '' HUP; exec tproxy {arguments}");
    pod.sh(&nohup);
    pod.done("status");
}

#[test]
fn a_restore_that_fails_at_first_is_tried_again() {
    let Some(pod) = Pod::start() else { return };
    let script = "[ -e /run/tried ] && exec $real \"$@\"; touch /run/tried; echo busy >&2; exit 4";
    let done = install_with(&pod, "nft", "iptables", script, "--sleep-between-retries 10ms");
    assert!(done.success(), "{done}");
    pod.done("status");
}

#[test]
fn a_restore_that_keeps_failing_is_tried_as_often_as_asked_and_taken_back() {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let script = "echo x >>/run/tries; echo busy >&2; exit 4";
    let failed =
        install_with(&pod, "nft", "ip6tables", script, "--max-retries 2 --sleep-between-retries 1ms");
    assert_eq!(failed.exit, Exit::Code(1), "{failed}");
    assert!(failed.stderr_text().contains("busy (tried 3 times); everything was taken back"), "{failed}");
    assert_eq!((pod.sh("wc -l </run/tries").trim(), rules(&pod)), ("3", before));
}

#[test]
fn a_restore_that_hangs_is_ended_when_time_is_up() {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let failed = install_with(&pod, "nft", "iptables", "exec sleep 60", "--timeout 300ms");
    assert_eq!(failed.exit, Exit::Code(1), "{failed}");
    assert!(failed.stderr_text().contains("did not finish in"), "{failed}");
    assert_eq!(rules(&pod), before);
}

/// Flavour, family, and what is there before. The tests with fault points have them all.
fn combinations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let befores = FAMILIES.into_iter().zip(["nothing", "another"]);
    FLAVOURS
        .into_iter()
        .flat_map(move |flavour| befores.clone().map(move |(family, earlier)| (flavour, family, earlier)))
}

fn prepare(pod: &Pod, flavour: &str, earlier: &str) {
    if earlier == "another" {
        pod.done(&format!("install --redirect-dns --exclude-inbound-ports 7 --backend iptables-{flavour}"));
    }
}

#[test]
fn a_restore_that_fails_between_two_tables_is_taken_back_whole() {
    for flavour in FLAVOURS {
        for earlier in ["nothing", "another"] {
            for tables in [1, 2] {
                let Some(pod) = Pod::start() else { return };
                prepare(&pod, flavour, earlier);
                let before = rules(&pod);
                // It takes back what it has loaded.
                let script = format!(
                    "[ -e /run/failed ] && exec $real \"$@\"; touch /run/failed; \
                     awk '{{ print }} /^COMMIT/ && ++n == {tables} {{ exit }}' >/run/first; \
                     $real --noflush </run/first; echo no room left >&2; exit 4"
                );
                let failed = install_with(&pod, flavour, "ip6tables", &script, "--max-retries 0");
                assert_eq!(failed.exit, Exit::Code(1), "{failed}");
                assert!(failed.stderr_text().contains("no room left; everything was taken back"), "{failed}");
                assert_eq!(rules(&pod), before, "{flavour}, {earlier}, after {tables}");
            }
        }
    }
}

#[test]
fn a_restore_that_fails_between_two_tables_goes_on_where_it_stopped() {
    for flavour in FLAVOURS {
        let Some(pod) = Pod::start() else { return };
        pod.done(&install(flavour));
        let wanted = rules(&pod);
        pod.done("uninstall");
        let script = "[ -e /run/tried ] && exec $real \"$@\"; touch /run/tried; sed '/^COMMIT/q' >/run/first; \
             $real --noflush </run/first; echo busy >&2; exit 4";
        let done = install_with(&pod, flavour, "iptables", script, "--sleep-between-retries 1ms");
        assert!(done.success(), "{done}");
        assert_eq!(rules(&pod), wanted, "{flavour}");
    }
}

#[test]
fn a_restore_that_outlives_its_tproxy_keeps_others_out_until_it_ends() {
    for flavour in FLAVOURS {
        let Some(pod) = Pod::start() else { return };
        pod.done(&install(flavour));
        let wanted = rules(&pod);
        pod.done("uninstall");
        // What tproxy started dies with it, but not what that has started.
        let script = "cat >/run/text; \
             setsid sh -c 'read go </run/go; \"$0\" --noflush </run/text; echo >/run/gone' $real & \
             kill -KILL $PPID; exec sleep 60";
        let arguments = with_restore(&pod, flavour, "iptables", script, "--exclude-inbound-ports 7");
        let script =
            format!("mkfifo /run/go /run/gone; tproxy {arguments}; echo ended by $?; exec sleep 600");
        let killed = Program::new("sh").args(["-c", &script]).spawn(pod.node(), "ended by").unwrap();
        assert!(killed.stdout().contains("ended by 137"), "{}", killed.stdout());
        pod.sh("rm /run/bin/restore");
        let refused = pod.tproxy(&format!("{} --timeout 0s", install(flavour)));
        assert_eq!(refused.exit, Exit::Code(1), "{refused}");
        let said = refused.stderr_text();
        let holder = said.split_once("another tproxy (pid ").unwrap().1.split_once(", uid 0)").unwrap().0;
        // It is named that is alive.
        pod.sh(&format!("kill -0 {holder}"));
        let second = pod.tproxy_program(&install(flavour)).start(pod.node()).unwrap();
        pod.sh("echo >/run/go; read gone </run/gone");
        let second = second.finish(std::time::Duration::from_secs(60)).unwrap();
        assert!(second.success(), "{second}");
        killed.kill();
        assert_eq!(rules(&pod), wanted, "{flavour}");
    }
}
