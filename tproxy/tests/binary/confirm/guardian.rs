//! The process that returns the state before: what it needs, and what comes of it when it is missing.

use netsim::node::{Exit, Program};

use super::super::interruptions::rules;
use super::super::pod::{APP, Pod, assert_refused};
use super::{ended, ended_by_itself, guardian, install, shell, status};

#[test]
fn the_state_before_comes_back_when_the_terminal_is_gone() {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let login = "
import os, pty, signal
shell, terminal = pty.fork()
if not shell:
    os.execlp('sh', 'sh', '-c', 'tproxy install --confirm-within 2s; exec sleep 600')
said = b''
while b'confirm with' not in said: said += os.read(terminal, 4096)
os.close(terminal)
print('hung up', os.WTERMSIG(os.waitpid(shell, 0)[1]), flush=True)
signal.pause()";
    let shell = Program::new("python3").args(["-c", login]).spawn(pod.node(), "hung up").unwrap();
    assert!(shell.stdout().contains("hung up 1"), "{}", shell.stdout());
    ended_by_itself(&pod);
    assert_eq!(rules(&pod), before);
}

#[test]
fn the_guardian_needs_neither_the_program_file_nor_its_parent_nor_descriptors_of_it() {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let shell = shell(
        &pod,
        "mkdir /run/bin; cp $(which tproxy) /run/bin/; exec 7>/run/bin/open; cat </dev/null; \
         sh -c '/run/bin/tproxy install --confirm-within 3s; rm /run/bin/tproxy; kill -KILL $$'",
    );
    assert!(shell.stdout().contains("ended by 137"), "{}{}", shell.stdout(), shell.stderr());
    let process = guardian(&pod);
    let open = pod.sh(&format!("readlink /proc/{process}/fd/* /proc/{process}/cwd"));
    assert!(!open.contains("/run/bin/open") && !open.contains("pipe:") && open.ends_with("/\n"), "{open}");
    ended_by_itself(&pod);
    assert_eq!(rules(&pod), before);
}

#[test]
fn a_guardian_that_was_killed_is_missed_and_healed() {
    for (heal, code) in [("uninstall", 3), ("install --exclude-inbound-ports 23", 0), ("confirm", 0)] {
        let Some(pod) = Pod::start() else { return };
        let nothing = rules(&pod);
        let _shell = install(&pod, "600s", "--exclude-inbound-ports 22");
        let process = guardian(&pod);
        pod.sh(&format!("kill -KILL {process}"));
        ended(&pod, &process);
        let missed = pod.tproxy("status");
        assert_eq!(missed.exit, Exit::Code(4), "{missed}");
        assert!(
            missed.stdout_text().contains("the guardian, who returns the state before, is gone"),
            "{missed}"
        );
        pod.done(heal);
        let status = pod.tproxy("status");
        assert_eq!(status.exit, Exit::Code(code), "{heal}: {status}");
        assert_eq!(rules(&pod) == nothing, code == 3, "{heal}");
    }
}

#[test]
fn an_installation_that_is_killed_at_any_step_is_taken_back() {
    const FLAGS: &str = "--redirect-all-dns-traffic --drop-invalid-packets";
    let Some(pod) = Pod::start() else { return };
    pod.done("install --redirect-dns --exclude-inbound-ports 7");
    let before = rules(&pod);
    for step in [
        "journal-begun",
        "load/0/0",
        "load/1/0",
        "load/3/2",
        "load/3/3",
        "loaded",
        "settled",
        "journal-ended",
    ] {
        let shell =
            shell(&pod, &format!("TPROXY_FAULT_POINT={step} tproxy install --confirm-within 1s {FLAGS}"));
        assert!(shell.stdout().contains("ended by 137"), "{step}: {}{}", shell.stdout(), shell.stderr());
        ended_by_itself(&pod);
        assert_eq!(rules(&pod), before, "{step}");
        assert_eq!(status(&pod).0, Exit::Code(0), "{step}");
    }
}

#[test]
fn a_guardian_whose_restore_fails_tries_again() {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    pod.sh("mkdir /run/bin; cat >/run/bin/restore <<'END'
#!/bin/sh
[ -e /run/fail ] && rm /run/fail && echo not now >&2 && echo >>/run/failed && exit 1
exec iptables-nft-restore \"$@\"
END
chmod +x /run/bin/restore");
    let programs = "iptables:/usr/sbin/iptables-nft,iptables-save:/usr/sbin/iptables-nft-save,\
                    iptables-restore:/run/bin/restore";
    let script =
        format!("tproxy install --confirm-within 1s --iptables-executables {programs} && touch /run/fail");
    let shell = shell(&pod, &script);
    assert!(shell.stdout().contains("ended by 0"), "{}{}", shell.stdout(), shell.stderr());
    ended_by_itself(&pod);
    assert_eq!(pod.sh("ls /run/failed; ls /run/fail 2>/dev/null; true"), "/run/failed\n");
    assert_eq!(rules(&pod), before);
}

#[test]
fn without_a_journal_or_a_socket_nothing_is_changed() {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let squat = "import signal, socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0tproxy/guardian'); s.listen(9); \
                 print('held', flush=True); signal.pause()";
    let squatter =
        Program::new("python3").args(["-c", squat]).identity(APP).spawn(pod.node(), "held").unwrap();
    let refused = pod.tproxy("install --confirm-within 1s");
    assert_refused(&refused, &format!("is held by pid {} of uid 1000, who is not root", squatter.id()));
    squatter.kill();
    pod.sh("mkdir /run/ro; mount -o bind,ro /run/ro /run/ro; ln -s /run/ro /run/tproxy");
    assert_refused(&pod.tproxy("install --confirm-within 1s"), "leave --confirm-within out");
    assert_eq!(rules(&pod), before);
}

#[test]
fn nobody_starts_a_guardian_by_hand() {
    let Some(pod) = Pod::start() else { return };
    assert_refused(&pod.tproxy("guard"), "is started by `install --confirm-within` alone");
}
