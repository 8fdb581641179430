//! `netsim run --keep` and `netsim shell`: a run that is kept can be entered, and goes with the process that keeps it.
//!
//! Other runs may be kept on this machine at the same time: these tests name the process that they mean.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod built;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use netsim::require;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tproxy::backend::BackendId;

const FAILS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wrong/evidence.yaml");
const WITHIN: Duration = Duration::from_secs(30);

macro_rules! need {
    () => {
        if !require::backend(BackendId::IptablesNft).met_or_skip() {
            return;
        }
    };
}

fn netsim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netsim"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A process that keeps a variant of the file that fails.
struct Keeper {
    process: Child,
    _errors: BufReader<ChildStderr>,
}

impl Keeper {
    /// Begins to keep it. It can be entered when this returns.
    fn start() -> Self {
        let mut process = netsim(&["run", FAILS, "--only", "iptables-nft::ipv4", "--keep", "--no-evidence"])
            .arg("--tproxy")
            .arg(built::tproxy())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("netsim shell peer") {
            assert!(errors.read_line(&mut said).unwrap() > 0, "it ended and said: {said}");
        }
        assert!(said.contains("expected to reach sidecar-outbound, got peer"), "{said}");
        Self { process, _errors: errors }
    }

    fn id(&self) -> String {
        self.process.id().to_string()
    }

    fn enter(&self, node: &str, command: &[&str]) -> Command {
        let mut shell = netsim(&["shell", "--run", &self.id(), node]);
        shell.args(command);
        shell
    }

    fn shell(&self, node: &str, command: &[&str]) -> Output {
        self.enter(node, command).output().unwrap()
    }

    /// What a command in a node prints, which must succeed.
    fn printed(&self, node: &str, command: &[&str]) -> String {
        let output = self.shell(node, command);
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The folder of its part of the cgroup tree.
    fn cgroup(&self) -> PathBuf {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).unwrap();
        let own = std::fs::read_to_string(format!("/proc/{}/cgroup", self.id())).unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        Path::new(mount.split(' ').nth(1).unwrap()).join(own)
    }

    /// Ends it, and tells how it ended and what it printed.
    fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
        let mut printed = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (ended(self.process), printed)
    }
}

/// How a process ends, which must be soon.
fn ended(mut process: Child) -> ExitStatus {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(process.wait().unwrap()));
    told.recv_timeout(WITHIN).unwrap_or_else(|_| panic!("it has not ended within {WITHIN:?}"))
}

/// A command in the pod that goes on until it is ended; it runs when this returns.
fn lasting(keeper: &Keeper) -> Child {
    let command = ["sh", "-c", "echo up; setsid sleep 1000 & sleep 1000"];
    let mut shell = keeper.enter("pod", &command).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    shell
}

#[test]
fn a_node_is_entered_as_every_program_of_it_is() {
    need!();
    let keeper = Keeper::start();
    let rules = keeper.printed("pod", &["iptables-nft-save"]);
    assert!(rules.contains("-A KUMA_MESH_OUTBOUND -p tcp -m tcp --dport 9000"), "{rules}");
    keeper.printed("pod", &["tproxy", "status"]);
    assert!(keeper.printed("pod", &["ip", "-o", "address"]).contains("10.77.0.2/24"));
    assert!(keeper.printed("peer", &["ip", "-o", "address"]).contains("10.77.0.3/24"));
    // The same mounts and cgroup: those of the node, of which nobody sees more.
    assert_eq!(keeper.printed("pod", &["cat", "/proc/self/cgroup"]).lines().last(), Some("0::/"));
    assert_eq!(keeper.printed("pod", &["ls", "/run/netsim/bin"]), "tproxy\n");
    let machine = std::fs::metadata("/proc/self/ns/net").unwrap();
    let guard = {
        use std::os::unix::fs::MetadataExt;
        format!("{}:{}\n", machine.dev(), machine.ino())
    };
    assert_eq!(keeper.printed("pod", &["sh", "-c", "echo $TPROXY_FORBID_NETNS"]), guard);
    assert_eq!(keeper.shell("pod", &["sh", "-c", "exit 7"]).status.code(), Some(7));
    keeper.end(Signal::SIGTERM);
}

#[test]
fn what_is_sent_from_a_shell_goes_where_the_installation_sends_it() {
    need!();
    let keeper = Keeper::start();
    let answer = |port: u16| {
        let command = format!("exec 3<>/dev/tcp/10.77.0.3/{port}; timeout 5 head -n 1 <&3");
        keeper.printed("pod", &["bash", "-c", &command])
    };
    assert!(answer(80).contains("\"actor\":\"sidecar-outbound\""));
    assert!(answer(9000).contains("\"actor\":\"peer\""));
    keeper.end(Signal::SIGTERM);
}

#[test]
fn the_run_is_brought_to_its_end_when_it_is_kept_no_longer() {
    need!();
    let keeper = Keeper::start();
    let (cgroup, id, shell) = (keeper.cgroup(), keeper.id(), lasting(&keeper));
    let (status, printed) = keeper.end(Signal::SIGINT);
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.contains("1 of 5 checks") && !printed.contains("something is left"), "{printed}");
    ended(shell);
    assert!(!cgroup.exists(), "{}", cgroup.display());
    let late = netsim(&["shell", "--run", &id, "pod", "true"]).output().unwrap();
    assert_eq!(late.status.code(), Some(2));
}

#[test]
fn everything_goes_with_a_keeper_that_is_killed() {
    need!();
    let keeper = Keeper::start();
    let (id, shell) = (keeper.id(), lasting(&keeper));
    let (status, _) = keeper.end(Signal::SIGKILL);
    assert_eq!(status.code(), None);
    ended(shell);
    let late = netsim(&["shell", "--run", &id, "pod", "true"]).output().unwrap();
    assert_eq!(late.status.code(), Some(2));
}

#[test]
fn what_cannot_be_entered_or_kept_is_told() {
    need!();
    let (one, other) = (Keeper::start(), Keeper::start());
    let refused = |arguments: &[&str]| {
        let output = netsim(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let several = refused(&["shell", "pod", "true"]);
    assert!(several.contains("several runs are kept"), "{several}");
    assert!(several.contains(&one.id()) && several.contains(&other.id()), "{several}");
    let unknown = refused(&["shell", "--run", &one.id(), "pot"]);
    assert!(unknown.contains("there is no node `pot` in evidence::iptables-nft::ipv4; there are pod, peer"));
    let missing = refused(&["shell", "--run", &one.id(), "pod", "no-such-program"]);
    assert!(missing.contains("cannot start \"no-such-program\" in the node"), "{missing}");
    let many = refused(&["run", FAILS, "--keep", "--tproxy", "/bin/true"]);
    assert!(many.contains("--keep is for one variant, and 6 are chosen"), "{many}");
    one.end(Signal::SIGTERM);
    other.end(Signal::SIGTERM);
}
