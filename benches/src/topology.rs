//! How long a topology takes to come up and go down, and whether anything stays.

use std::collections::BTreeSet;
use std::time::Instant;

use netsim::link::{Network, NetworkOptions};
use netsim::topology::Topology;

use super::{Binaries, Failure, milliseconds};

const ROUNDS: usize = 40;

pub(super) fn measure(_: &Binaries) -> Result<String, Failure> {
    let topology = Topology::ready("pod-and-peer")?;
    // The first one moves the process into its cgroup.
    Network::up(&topology, &NetworkOptions::default())?.down()?;
    let before = traces()?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let network = Network::up(&topology, &NetworkOptions::default())?;
        up.push(started.elapsed());
        let started = Instant::now();
        network.down()?;
        down.push(started.elapsed());
    }
    let left: Vec<_> = traces()?.difference(&before).cloned().collect();
    let residue = if left.is_empty() { "nothing".to_owned() } else { left.join(", ") };
    Ok(format!(
        "pod-and-peer, {ROUNDS} rounds: up {} ms, down {} ms; left: {residue}\n",
        milliseconds(up).show(1),
        milliseconds(down).show(1)
    ))
}

/// What a topology could leave with this process and machine: threads, descriptors, mounts, interfaces.
fn traces() -> Result<BTreeSet<String>, Failure> {
    let mut traces = BTreeSet::new();
    for (what, folder) in [("threads", "/proc/self/task"), ("descriptors", "/proc/self/fd")] {
        traces.insert(format!("{what}: {}", std::fs::read_dir(folder)?.count()));
    }
    traces.extend(std::fs::read_to_string("/proc/self/mounts")?.lines().map(str::to_owned));
    let interfaces = std::fs::read_to_string("/proc/self/net/dev")?;
    traces.extend(interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())));
    Ok(traces)
}
