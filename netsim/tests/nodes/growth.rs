//! What stays of a process that brings up a thousand topologies, one after the other: nothing that grows.

use std::fs;
use std::path::Path;

use crate::ends::as_another_process;
use crate::lab::{need_nodes, pod_and_peer, sh, subtree};
use netsim::actor::{App, AppSpec, Attempt, Client, Outcome};
use netsim::node::Identity;

const TOPOLOGIES: usize = 1_000;
/// So many are brought up before anything is counted: what is made once is there then.
const WARM: usize = 50;
/// Freed memory that the allocator keeps differs by as much, in KiB.
const FREED: usize = 4 << 10;

#[test]
fn a_thousand_topologies_leave_nothing_that_grows() {
    need_nodes!();
    // In a process of its own, where nobody else makes threads and files.
    let ran = as_another_process("brings up topologies").output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && text.contains("nothing has grown"), "{text}");
}

pub(crate) fn bring_up_topologies() {
    (0..WARM).for_each(|_| use_one());
    let before = Belongings::now();
    (WARM..TOPOLOGIES).for_each(|_| use_one());
    let after = Belongings::now();
    println!("before: {before:?}\nafter:  {after:?}");
    assert!(after.memory <= before.memory + FREED, "memory grows");
    assert_eq!(Belongings { memory: 0, ..before }, Belongings { memory: 0, ..after });
    println!("nothing has grown");
}

/// Brings one up, with a connection, a program and a cgroup in it, and ends it.
fn use_one() {
    let network = pod_and_peer();
    let identity = Identity::new(1000, 1000);
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    let app = App::start(peer, AppSpec::new("peer", identity, [80])).unwrap();
    let client = Client::start(pod, "client", identity).unwrap();
    let outcome = client.connect(Attempt::to("10.77.0.3:80".parse().unwrap())).unwrap();
    assert!(matches!(outcome, Outcome::Answered { .. }), "{outcome:?}");
    sh("mkdir /sys/fs/cgroup/inner").run(pod).unwrap();
    drop((app, client));
    network.down().unwrap();
}

/// What this process has, and what is there because of it.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    files: usize,
    threads: usize,
    children: usize,
    mounts: usize,
    interfaces: usize,
    cgroups: usize,
    /// Resident, in KiB.
    memory: usize,
}

impl Belongings {
    fn now() -> Self {
        let entries = |path: &Path| fs::read_dir(path).unwrap().count();
        let lines = |path: &str| fs::read_to_string(path).unwrap().lines().count();
        let cgroups =
            fs::read_dir(subtree()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
        Self {
            files: entries(Path::new("/proc/self/fd")),
            threads: entries(Path::new("/proc/self/task")),
            children: fs::read_to_string("/proc/thread-self/children").unwrap().split_whitespace().count(),
            mounts: lines("/proc/self/mountinfo"),
            interfaces: entries(Path::new("/sys/class/net")),
            cgroups: cgroups.count(),
            memory: resident(),
        }
    }
}

fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
