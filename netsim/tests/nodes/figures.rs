//! Measures, never asserts: how long the usual things take. See the output with
//! `cargo test -p netsim --release --test nodes figures -- --nocapture --test-threads 1`.

use std::time::{Duration, Instant};

use crate::lab::{need_nodes, pod_and_peer, sh};
use netsim::actor::{App, AppSpec, Attempt, Client};
use netsim::link::{Network, NetworkOptions};
use netsim::node::{Identity, Program};
use netsim::topology::{End, Link, Topology};

const APP: Identity = Identity::new(1000, 1000);

#[test]
fn a_pod_and_its_peer_come_up_and_go() {
    need_nodes!();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        let start = Instant::now();
        let network = pod_and_peer();
        up.push(start.elapsed());
        let start = Instant::now();
        network.down().unwrap();
        down.push(start.elapsed());
    }
    tell("pod-and-peer up", up);
    tell("pod-and-peer down", down);
}

#[test]
fn fifty_nodes_come_up_and_go() {
    need_nodes!();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let start = Instant::now();
        let network = Network::up(&star(50), &NetworkOptions::default()).unwrap();
        up.push(start.elapsed());
        let start = Instant::now();
        network.down().unwrap();
        down.push(start.elapsed());
    }
    tell("50 nodes up", up);
    tell("50 nodes down", down);
}

/// A router, to which each of the other nodes has a link of its own.
fn star(nodes: u8) -> Topology {
    let end = |node: String, interface: String, address: String| End {
        node,
        interface,
        addresses: vec![address.parse().unwrap()],
        routes: Vec::new(),
    };
    let link = |number: u8| Link {
        ends: [
            end("router".to_owned(), format!("port{number}"), format!("10.1.{number}.1/24")),
            end(format!("node{number}"), "eth0".to_owned(), format!("10.1.{number}.2/24")),
        ],
        mtu: None,
        rate: None,
    };
    let names = std::iter::once("router".to_owned()).chain((1..nodes).map(|number| format!("node{number}")));
    Topology::new("star", names.collect(), (1..nodes).map(link).collect()).unwrap()
}

#[test]
fn programs_actors_and_connections() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    measure("an empty job", || pod.run(|| async {}).unwrap());
    measure("an actor, start and end", || drop(pod.actor("a", APP).unwrap()));
    measure("/bin/true, start to end", || drop(Program::new("true").run(pod).unwrap()));
    measure("sh -c true, start to end", || drop(sh("true").run(pod).unwrap()));
    let app = AppSpec::new("peer", APP, [80]);
    let _app = App::start(peer, app).unwrap();
    let client = Client::start(pod, "client", APP).unwrap();
    for to in ["10.77.0.3:80", "[fd77::3]:80"] {
        let to = to.parse().unwrap();
        measure(&format!("connection to {to}"), || drop(client.connect(Attempt::to(to)).unwrap()));
    }
}

fn measure(what: &str, mut act: impl FnMut()) {
    let times = (0..30).map(|_| {
        let start = Instant::now();
        act();
        start.elapsed()
    });
    tell(what, times.collect());
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |position: usize| times.get(position).copied().unwrap_or_default();
    let (least, median, most) = (at(0), at(times.len() / 2), at(times.len() - 1));
    eprintln!("{what}: median {median:.1?}, least {least:.1?}, most {most:.1?}, n={}", times.len());
}
