//! `install --confirm-within`: nobody locks himself out.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use netsim::node::{Exit, Identity, Program, Running};
use rstest::rstest;

use super::interruptions::rules;
use super::pod::{APP, Pod, assert_refused};

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Runs a script whose last words are `ended by` and a code, and stays until it is dropped, as a guardian has to.
fn shell(pod: &Pod, script: &str) -> Running {
    let script = format!("{script}; echo ended by $?; exec sleep 600");
    Program::new("sh").args(["-c", &script]).spawn(pod.node(), "ended by").unwrap()
}

/// Installs so that it has to be confirmed.
fn install(pod: &Pod, within: &str, flags: &str) -> Running {
    let shell = shell(pod, &format!("tproxy install --confirm-within {within} {flags}"));
    assert!(shell.stdout().contains("ended by 0"), "{}{}", shell.stdout(), shell.stderr());
    let advice =
        format!("# confirm with \"tproxy confirm\" within {within}, else the state before comes back\n");
    assert!(shell.stdout().contains(&advice), "{}", shell.stdout());
    shell
}

/// The guardian's process id; nothing where there is none.
fn guardian(pod: &Pod) -> String {
    pod.sh("ss -xlpH | sed -n '/@tproxy.guardian/s/.*pid=\\([0-9]*\\).*/\\1/p'").trim().to_owned()
}

/// Waits until a process is gone.
fn ended(pod: &Pod, process: &str) {
    if process.is_empty() {
        return;
    }
    pod.sh(&format!(
        "python3 -c \"
import os, select, sys
try: process = os.pidfd_open({process})
except ProcessLookupError: sys.exit()
assert select.select([process], [], [], 60)[0]
\""
    ));
}

fn ended_by_itself(pod: &Pod) {
    ended(pod, &guardian(pod));
    assert_eq!(guardian(pod), "");
}

/// What a status with `--json` says.
fn status(pod: &Pod) -> (Exit, String) {
    let status = pod.tproxy("status --json");
    (status.exit, status.stdout_text())
}

/// Waits until the time to confirm is over, where nobody returns the state before.
fn over(pod: &Pod) {
    let begun = Instant::now();
    while !status(pod).1.contains("\"secondsLeft\": 0") {
        assert!(begun.elapsed() < LONG, "{}", status(pod).1);
    }
}

fn exact_rules(pod: &Pod) -> String {
    pod.sh("for f in nft legacy; do iptables-$f-save; ip6tables-$f-save; done | sed -e '/^#/d' -e '/^:/d'")
}

const FOREIGN: &str = "for i in iptables ip6tables; do $i -t nat -A OUTPUT -p udp -m comment --comment one -j RETURN; \
     $i -t nat -A OUTPUT -p udp -m comment --comment two -j RETURN; done";

#[rstest]
fn nothing_is_there_again_when_nobody_confirms(#[values("iptables-nft", "iptables-legacy")] backend: &str) {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let flags = format!("--backend {backend} --redirect-all-dns-traffic --drop-invalid-packets");
    let _shell = install(&pod, "1s", &flags);
    ended_by_itself(&pod);
    assert_eq!(rules(&pod), before);
    // The guardian leaves a word, and nothing else, until somebody tries to confirm.
    assert_eq!(pod.sh("ls /run/tproxy | sed 's/.*[.]//'"), "returned\n");
    let late = pod.tproxy("confirm");
    assert_eq!(late.exit, Exit::Code(1), "{late}");
    assert!(late.stderr_text().contains("error: too late to confirm"), "{late}");
    assert_eq!(
        pod.sh("ls /run/tproxy 2>&1; true").trim(),
        "ls: cannot access '/run/tproxy': No such file or directory"
    );
    let again = pod.tproxy("confirm");
    assert!(again.stderr_text().contains("error: nothing waits to be confirmed"), "{again}");
}

/// Flags of the older installation, and of the new one.
const CHANGES: [(&str, &str); 5] = [
    ("--redirect-all-dns-traffic", "--exclude-inbound-ports 22 --redirect-dns-port 15054"),
    ("", "--redirect-outbound-insert-instead-of-append --redirect-inbound-insert-instead-of-append"),
    ("--redirect-outbound-insert-instead-of-append", ""),
    ("--ip-family-mode ipv4 --disable-comments", "--redirect-all-dns-traffic --drop-invalid-packets"),
    ("--backend iptables-legacy", "--backend iptables-nft"),
];

#[test]
fn an_older_installation_comes_back_as_it_was() {
    for (older, newer) in CHANGES {
        let Some(pod) = Pod::start() else { return };
        pod.sh(FOREIGN);
        pod.done(&format!("install {older}"));
        pod.sh("iptables -t nat -A OUTPUT -p udp -m comment --comment three -j RETURN");
        let (before, said) = ((rules(&pod), exact_rules(&pod)), pod.tproxy("status").stdout_text());
        let _shell = install(&pod, "1s", newer);
        ended_by_itself(&pod);
        let what = format!("{older} after {newer}");
        assert_eq!(rules(&pod), before.0, "{what}");
        let rules_only = |text: &str| {
            let rules = text
                .lines()
                .filter(|line| line.starts_with("-A PREROUTING") || line.starts_with("-A OUTPUT"));
            rules.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rules_only(&exact_rules(&pod)), rules_only(&before.1), "{what}");
        assert_eq!(without_counters(&pod.done("status").stdout_text()), without_counters(&said), "{what}");
        let again = pod.done(&format!("install {older}"));
        assert!(again.stdout_text().contains("nothing to change"), "{what}: {again}");
        let late = pod.tproxy("confirm");
        assert!(late.stderr_text().contains("error: too late to confirm"), "{what}: {late}");
    }
}

/// A status up to its table.
fn without_counters(status: &str) -> String {
    status.split("counters").next().unwrap().to_owned()
}

#[test]
fn rules_of_kuma_and_an_installation_without_a_journal_come_back() {
    for prepare in ["tproxy install --redirect-dns; rm -r /run/tproxy", KUMA] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(prepare);
        let before = rules(&pod);
        let _shell = install(&pod, "1s", "--exclude-inbound-ports 22");
        assert_ne!(rules(&pod), before);
        ended_by_itself(&pod);
        assert_eq!(rules(&pod), before, "{prepare}");
    }
}

const KUMA: &str = "iptables-restore --noflush <<'END'
*nat
:KUMA_MESH_OUTBOUND - [0:0]
:KUMA_MESH_OUTBOUND_REDIRECT - [0:0]
-A OUTPUT -p tcp -m comment --comment \"kuma/mesh/transparent/proxy/outbound\" -j KUMA_MESH_OUTBOUND
-A KUMA_MESH_OUTBOUND -m owner ! --uid-owner 5678 -j KUMA_MESH_OUTBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
END";

#[test]
fn what_is_confirmed_stays() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-inbound-ports 22");
    let wanted = rules(&pod);
    pod.done("install --exclude-inbound-ports 23");
    let _shell = install(&pod, "600s", "--exclude-inbound-ports 22");
    let waiting = status(&pod);
    assert_eq!(waiting.0, Exit::Code(0));
    assert!(waiting.1.contains("\"guarded\": true"), "{}", waiting.1);
    let text = pod.done("status").stdout_text();
    assert!(text.contains(" s, else the state before comes back\n"), "{text}");
    let process = guardian(&pod);
    let confirmed = pod.done("confirm");
    assert_eq!(confirmed.stdout_text(), "# confirmed: what is installed stays\n");
    ended(&pod, &process);
    assert_eq!((rules(&pod), guardian(&pod)), (wanted, String::new()));
    assert!(!status(&pod).1.contains("unconfirmed"));
    let again = pod.tproxy("confirm");
    assert_eq!(again.exit, Exit::Code(1), "{again}");
    assert!(again.stderr_text().contains("nothing waits to be confirmed"), "{again}");
}

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
fn what_others_do_meanwhile_stays() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(FOREIGN);
    pod.done("install");
    let _shell = install(&pod, "3s", "--exclude-outbound-ports 22 --redirect-dns");
    pod.sh("iptables -t nat -I OUTPUT -p udp -m comment --comment zero -j RETURN; \
         iptables -t nat -A OUTPUT -p udp -m comment --comment three -j RETURN; \
         iptables -t nat -D OUTPUT -p udp -m comment --comment two -j RETURN");
    assert_ne!(guardian(&pod), "", "it was too slow for this test");
    ended_by_itself(&pod);
    let output = pod.sh("iptables -t nat -S OUTPUT | sed 1d");
    let words = ["zero", "one", "KUMA_MESH_OUTBOUND", "three"];
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), words.len(), "{output}");
    assert!(lines.iter().zip(words).all(|(line, word)| line.contains(word)), "{output}");
    pod.done("uninstall");
    assert!(!pod.state().contains("KUMA"));
}

#[test]
fn what_is_stored_for_firewalld_comes_back() {
    const OTHERS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<direct>\n  <rule ipv=\"ipv4\" table=\"nat\" \
                          chain=\"OUTPUT\" priority=\"0\">-p udp -j RETURN</rule>\n</direct>\n";
    let older = "--store-firewalld --exclude-inbound-ports 22";
    for (older, newer) in [
        ("--redirect-dns", "--store-firewalld"),
        (older, ""),
        (older, "--store-firewalld --exclude-inbound-ports 23"),
    ] {
        let Some(pod) = Pod::start() else { return };
        pod.node().write_file("/etc/firewalld/direct.xml", OTHERS).unwrap();
        pod.done(&format!("install {older}"));
        let stored = || pod.sh("cat /etc/firewalld/direct.xml");
        let before = (rules(&pod), stored());
        let _shell = install(&pod, "1s", newer);
        assert_ne!(stored(), before.1, "it was too slow for this test");
        ended_by_itself(&pod);
        assert_eq!((rules(&pod), stored()), before, "{older} after {newer}");
    }
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
fn a_confirmation_that_comes_too_late_returns_the_state_before_itself() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-inbound-ports 22");
    let before = rules(&pod);
    let _shell = install(&pod, "3s", "--exclude-inbound-ports 23");
    let process = guardian(&pod);
    assert_ne!(process, "", "it was too slow for this test");
    pod.sh(&format!("kill -KILL {process}"));
    over(&pod);
    let late = pod.tproxy("confirm");
    assert_eq!(late.exit, Exit::Code(1), "{late}");
    assert!(late.stderr_text().contains("too late to confirm"), "{late}");
    assert_eq!(rules(&pod), before);
    pod.done("status");
}

#[test]
fn of_confirmation_and_deadline_exactly_one_wins() {
    let Some(pod) = Pod::start() else { return };
    let nothing = rules(&pod);
    for before in [80, 40, 20, 0] {
        let _shell = install(&pod, "1s", "");
        let confirmed = Program::new("python3")
            .args([
                "-c",
                &format!(
                    "
import glob, json, subprocess, sys, time
found = glob.glob('/run/tproxy/*.json')
deadline = json.load(open(found[0]))['unconfirmed']['deadline'] / 1000 if found else 0
while time.clock_gettime(time.CLOCK_BOOTTIME) < deadline - {before} / 1000: pass
sys.exit(subprocess.run(['tproxy', 'confirm']).returncode)"
                ),
            ])
            .run(pod.node())
            .unwrap();
        ended_by_itself(&pod);
        let stays = match confirmed.exit {
            Exit::Code(0) => true,
            Exit::Code(1) => false,
            _ => panic!("{confirmed}"),
        };
        assert_eq!(rules(&pod) != nothing, stays, "{before}: {confirmed}");
        assert_eq!(status(&pod).0, Exit::Code(if stays { 0 } else { 3 }));
        pod.done("uninstall");
    }
}

#[test]
fn a_second_installation_is_refused_until_the_first_is_confirmed_or_removed() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-inbound-ports 22");
    let _shell = install(&pod, "600s", "--exclude-inbound-ports 23");
    let waiting = rules(&pod);
    for more in ["", "--confirm-within 1s"] {
        assert_refused(&pod.tproxy(&format!("install {more}")), "waits to be confirmed, for ");
    }
    assert_eq!(rules(&pod), waiting);
    let process = guardian(&pod);
    pod.done("uninstall");
    ended(&pod, &process);
    assert_eq!(guardian(&pod), "");
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
    assert!(!pod.state().contains("KUMA"));
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

/// A connection from elsewhere to port 22 of the pod: what the server writes is read by the client, or not in time.
struct Login {
    session: TcpStream,
    client: TcpStream,
}

impl Login {
    fn open(pod: &Pod) -> Self {
        let address = pod.sh("ip -o -4 addr show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'");
        let server: SocketAddr = format!("{}:22", address.trim()).parse().unwrap();
        let sshd = pod.node().actor("sshd", Identity::ROOT).unwrap();
        let listener = sshd.run(move || async move { TcpListener::bind(server) }).unwrap().unwrap();
        let client = Self::connect(pod, server).unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        Self { session: listener.accept().unwrap().0, client }
    }

    fn connect(pod: &Pod, server: SocketAddr) -> std::io::Result<TcpStream> {
        let ssh = pod.gateway().actor("ssh", Identity::ROOT).unwrap();
        ssh.run(move || async move { TcpStream::connect_timeout(&server, LONG) }).unwrap()
    }

    fn write(&mut self, text: &str) {
        self.session.write_all(text.as_bytes()).unwrap();
    }

    fn reads(&mut self, text: &str) {
        let mut read = vec![0; text.len()];
        self.client.read_exact(&mut read).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read, text.as_bytes());
    }
}

#[rstest]
fn a_log_in_goes_on_through_install_and_return(#[values("--exclude-inbound-ports 22", "")] flags: &str) {
    let Some(pod) = Pod::start() else { return };
    // As on any host with a firewall that knows states.
    pod.sh("iptables -A INPUT -m conntrack --ctstate INVALID -j DROP");
    let mut login = Login::open(&pod);
    let _shell = install(&pod, "1s", flags);
    for when in ["installed", "returned"] {
        login.write(when);
        login.reads(when);
        ended_by_itself(&pod);
    }
}

#[test]
fn who_locked_himself_out_logs_in_again_after_the_return() {
    let Some(pod) = Pod::start() else { return };
    let mut before = Login::open(&pod);
    let _shell = install(&pod, "2s", "");
    // Nothing tracked connections, so that the kernel takes this one for new.
    before.write("captured half-way");
    before.session.set_read_timeout(Some(LONG)).unwrap();
    let cut = before.session.read(&mut [0]).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset, "{cut}");
    let again = Login::connect(&pod, before.session.local_addr().unwrap());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    ended_by_itself(&pod);
    let mut after = Login::open(&pod);
    after.write("returned");
    after.reads("returned");
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
fn only_times_that_make_sense_are_taken() {
    let Some(pod) = Pod::start() else { return };
    for time in ["0s", "999ms", "61m", "soon", "-1s"] {
        let refused = pod.tproxy(&format!("install --confirm-within={time}"));
        assert_eq!(refused.exit, Exit::Code(2), "{refused}");
        let said = refused.stderr_text();
        assert!(said.contains("--confirm-within <DURATION>") && said.contains(time), "{said}");
    }
    pod.done("install --confirm-within 1h --dry-run");
    assert_eq!((guardian(&pod), pod.tproxy("status").exit), (String::new(), Exit::Code(3)));
}

#[test]
fn the_same_again_has_not_to_be_confirmed() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    let said = pod.done("install --confirm-within 1s");
    assert!(said.stdout_text().contains("# nothing has to be confirmed"), "{said}");
    assert!(pod.tproxy("confirm").stderr_text().contains("nothing waits to be confirmed"));
    pod.done("status");
}

#[test]
fn nobody_starts_a_guardian_by_hand() {
    let Some(pod) = Pod::start() else { return };
    assert_refused(&pod.tproxy("guard"), "is started by `install --confirm-within` alone");
}

#[test]
fn machines_are_told_too() {
    let Some(pod) = Pod::start() else { return };
    let shell = shell(&pod, "tproxy --json install --confirm-within 600s >/run/changes");
    assert!(shell.stdout().contains("ended by 0"), "{}", shell.stderr());
    pod.sh("python3 -c \"import json; assert json.load(open('/run/changes'))\"");
    assert_eq!(pod.done("--json confirm").stdout_text(), "{\n  \"confirmed\": true\n}\n");
}
