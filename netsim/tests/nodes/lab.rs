//! What these tests share: starting a node or two, or skipping with the reason.

use std::path::PathBuf;

use netsim::link::{Network, NetworkOptions};
use netsim::node::{Finished, Node, NodeSpec, Program};
use netsim::topology::Topology;

/// Returns from a test that cannot run here. Fails it when `NETSIM_REQUIRE` demands it.
macro_rules! need_nodes {
    () => {
        if !netsim::require::nodes().met_or_skip() {
            return;
        }
    };
}
pub(crate) use need_nodes;

pub(crate) fn node(name: &str) -> Node {
    Node::start(NodeSpec::new(name)).unwrap()
}

pub(crate) fn pod_and_peer() -> Network {
    Network::up(&Topology::ready("pod-and-peer").unwrap(), &NetworkOptions::default()).unwrap()
}

/// Runs a shell command in a node, to its successful end.
pub(crate) fn shell(node: &Node, command: &str) -> String {
    sh(command).run(node).and_then(Finished::checked).unwrap().stdout_text().trim_end().to_owned()
}

pub(crate) fn sh(command: &str) -> Program {
    Program::new("sh").args(["-c", command])
}

/// This process's subtree of the machine's cgroups, as the machine sees it.
pub(crate) fn subtree() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).unwrap();
    let point = mount.split(' ').nth(1).unwrap().to_owned();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap().to_owned();
    PathBuf::from(point).join(own)
}
