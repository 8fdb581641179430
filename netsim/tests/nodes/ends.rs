//! How whole processes end: whatever happens to one, nothing of it stays, and others do not notice.
//!
//! The tests run this same test program as another process, which plays the role that `ROLE` names.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{need_nodes, node, pod_and_peer, sh, shell, subtree};
use netsim::actor::{App, AppSpec, Attempt, Client, Outcome};
use netsim::node::{CgroupError, Identity};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROLE: &str = "NETSIM_TEST_ROLE";

#[test]
fn in_another_process() {
    match std::env::var(ROLE).as_deref() {
        Ok("holds a network") => hold_a_network(),
        Ok("shuts down") => shut_down(),
        Ok("brings up topologies") => crate::growth::bring_up_topologies(),
        Ok("needs nodes") => {
            assert!(netsim::require::nodes().met_or_skip() || !nix::unistd::geteuid().is_root());
        }
        _ => {}
    }
}

pub(crate) fn as_another_process(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ends::in_another_process", "--nocapture"]).env(ROLE, role);
    command
}

/// Makes a network with a program in it, says so, and proves that it works for every line it is given.
fn hold_a_network() {
    let network = pod_and_peer();
    let pod = network.node("pod").unwrap();
    let server = sh("setsid sleep 1000 & echo up; exec sleep 1000").spawn(pod, "up").unwrap();
    println!("\nholding {} {}", subtree().display(), server.id());
    let identity = Identity::new(1000, 1000);
    let spec = AppSpec::new("peer", identity, [80]);
    let _peer = App::start(network.node("peer").unwrap(), spec).unwrap();
    let client = Client::start(pod, "client", identity).unwrap();
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        let outcome = client.connect(Attempt::to("[fd77::3]:80".parse().unwrap())).unwrap();
        println!("\n{}", if matches!(outcome, Outcome::Answered { .. }) { "alive" } else { "dead" });
    }
}

struct Holder {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    cgroup: PathBuf,
    program: i32,
}

impl Holder {
    fn start() -> Self {
        let mut command = as_another_process("holds a network");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let line = line_with(&mut output, "holding ");
        let (cgroup, program) = line.rsplit_once(' ').unwrap();
        let (cgroup, program) = (PathBuf::from(cgroup), program.parse().unwrap());
        assert!(cgroup.is_dir() && alive(program), "{line}");
        Self { input: process.stdin.take(), process, output, cgroup, program }
    }

    fn is_alive(&mut self) -> bool {
        self.input.as_mut().unwrap().write_all(b"well?\n").unwrap();
        line_with(&mut self.output, "alive").is_empty()
    }

    /// Waits until what the process had is gone, once it has ended.
    fn expect_nothing_left(mut self, how: Option<Signal>) {
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), how.map(|signal| signal as i32), "{status}");
        assert!(wait_until_gone(&self.cgroup, Duration::from_secs(10)), "{} is left", self.cgroup.display());
        assert!(!alive(self.program), "the program {} lives", self.program);
    }
}

/// The rest of the next line that begins with `start`.
fn line_with(output: &mut BufReader<ChildStdout>, start: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "ended without {start:?}");
        if let Some(rest) = line.strip_prefix(start) {
            return rest.trim_end().to_owned();
        }
    }
}

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for the removal of a directory by watching its parent.
fn wait_until_gone(directory: &Path, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
    inotify.add_watch(directory.parent().unwrap(), AddWatchFlags::IN_DELETE).unwrap();
    while directory.exists() {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
        let mut fds = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).unwrap()).unwrap();
        // The event itself tells nothing that looking does not.
        let _ = inotify.read_events();
    }
    true
}

#[test]
fn a_killed_process_leaves_nothing() {
    need_nodes!();
    let holder = Holder::start();
    kill(Pid::from_raw(holder.process.id().cast_signed()), Signal::SIGKILL).unwrap();
    holder.expect_nothing_left(Some(Signal::SIGKILL));
}

#[test]
fn ctrl_c_leaves_nothing() {
    need_nodes!();
    let holder = Holder::start();
    kill(Pid::from_raw(holder.process.id().cast_signed()), Signal::SIGINT).unwrap();
    holder.expect_nothing_left(Some(Signal::SIGINT));
}

#[test]
fn a_process_that_ends_without_shutting_down_leaves_nothing() {
    need_nodes!();
    let mut holder = Holder::start();
    holder.input = None;
    holder.expect_nothing_left(None);
}

#[test]
fn processes_side_by_side_do_not_disturb_each_other() {
    need_nodes!();
    let mut first = Holder::start();
    let second = Holder::start();
    let mine = node("pod");
    assert_ne!(first.cgroup, second.cgroup);
    kill(Pid::from_raw(second.process.id().cast_signed()), Signal::SIGKILL).unwrap();
    second.expect_nothing_left(Some(Signal::SIGKILL));
    assert!(first.is_alive());
    assert_eq!(shell(&mine, "echo alive"), "alive");
    first.input = None;
    first.expect_nothing_left(None);
    assert_eq!(shell(&mine, "echo alive"), "alive");
}

#[test]
fn what_a_dead_process_left_is_collected_by_the_next() {
    need_nodes!();
    let mine = node("pod");
    let base = subtree().parent().unwrap().to_owned();
    // No process has such a number. The inner one may fail: somebody else may be collecting already.
    let stale = base.join(format!("netsim.{}.1", 1_000_000_000 + std::process::id()));
    std::fs::create_dir(&stale).unwrap();
    let _ = std::fs::create_dir(stale.join("0-pod"));
    let mut holder = Holder::start();
    assert!(!stale.exists());
    holder.input = None;
    holder.expect_nothing_left(None);
    assert_eq!(shell(&mine, "echo alive"), "alive");
}

#[test]
fn shutting_down_brings_the_process_back_to_where_it_was() {
    need_nodes!();
    let Output { status, stdout, stderr } = as_another_process("shuts down").output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(status.success() && text.contains("came back twice"), "{text}");
}

fn shut_down() {
    let cgroup = || std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let before = cgroup();
    for _ in 0..2 {
        let pod = node("pod");
        let own = subtree();
        assert_ne!(cgroup(), before);
        assert!(matches!(netsim::node::shutdown(), Err(CgroupError::InUse)));
        assert_eq!(shell(&pod, "echo alive"), "alive");
        drop(pod);
        netsim::node::shutdown().unwrap();
        assert_eq!(cgroup(), before);
        assert!(!own.exists());
    }
    netsim::node::shutdown().unwrap();
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children, "", "the janitor is reaped");
    println!("came back twice");
}

#[test]
fn without_root_tests_are_skipped_with_the_reason_or_fail_where_that_is_required() {
    need_nodes!();
    let directory = tempfile::tempdir().unwrap();
    let shared =
        format!("chmod 755 {directory}; cp \"$0\" {directory}/nodes", directory = directory.path().display());
    // Copied, because an ordinary user may not get to where it was built; by another process, because a child
    // that this one forks meanwhile would hold it open for writing, and then it cannot be run.
    let this = std::env::current_exe().unwrap();
    assert!(Command::new("sh").args(["-c", &shared]).arg(this).status().unwrap().success());
    let program = directory.path().join("nodes");
    let run = |required: &str| {
        let mut command = Command::new(&program);
        command.args(["--exact", "ends::in_another_process", "--nocapture"]).env(ROLE, "needs nodes");
        let output = command.env("NETSIM_REQUIRE", required).uid(1000).gid(1000).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
    };
    let (passed, text) = run("iptables-nft");
    assert!(passed && text.contains("skipped ends::in_another_process: not root (uid 1000)"), "{text}");
    let (passed, text) = run("root,iptables-nft");
    assert!(
        !passed && text.contains("NETSIM_REQUIRE does not let this be skipped: root: not root"),
        "{text}"
    );
}
