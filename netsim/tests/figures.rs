//! Measures, never asserts: how long a pod and its peer take to come up and to go. See the output with
//! `cargo test -p netsim --release --test figures -- --nocapture`.

use std::time::{Duration, Instant};

use netsim::link::{Network, NetworkOptions};
use netsim::topology::Topology;

#[test]
fn a_pod_and_its_peer_come_up_and_go() {
    if !netsim::require::nodes().met_or_skip() {
        return;
    }
    let topology = Topology::ready("pod-and-peer").unwrap();
    let mut up = Vec::new();
    let mut down = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        let network = Network::up(&topology, &NetworkOptions::default()).unwrap();
        up.push(start.elapsed());
        let start = Instant::now();
        network.down().unwrap();
        down.push(start.elapsed());
    }
    tell("up", up);
    tell("down", down);
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let number = times.len();
    let at = |position: usize| times.get(position).copied().unwrap_or_default();
    let (least, median, most) = (at(0), at(number / 2), at(number - 1));
    eprintln!("pod-and-peer {what}: median {median:.1?}, least {least:.1?}, most {most:.1?}, n={number}");
}
