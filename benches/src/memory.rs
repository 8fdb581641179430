//! What held connections cost the kernel in memory, way by way: sockets, connection tracking, maps.
//!
//! The kernel's own count of live objects, which other programs' work hardly changes where thousands of connections are held.
//! Every way is checked to have led the connections where it claims.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use netsim::actor::{App, AppSpec, Attempt, Client, Held, Mode, Sidecar, SidecarSpec};
use netsim::link::{Network, NetworkOptions};
use netsim::node::Identity;
use netsim::topology::{IpFamily, Topology};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::install::tproxy;
use super::way::{WAYS, Way};
use super::{Binaries, Failure};

/// How many connections are held.
const HELD: [usize; 2] = [1_000, 10_000];
/// Each is four descriptors of this process: the client's, two of the sidecar's, and the server's.
const DESCRIPTORS: u64 = 65_536;
/// Those of everything else.
const SPARE: u64 = 1_000;
const PORT: u16 = 80;
const SIDECAR: Identity = Identity::new(5678, 5678);
const APP: Identity = Identity::new(1000, 1000);
/// Caches whose objects are of connections, by how their names begin (`/proc/slabinfo`).
const CACHES: [&str; 9] = [
    "TCP",
    "nf_conntrack",
    "sock_inode_cache",
    "filp",
    "skbuff",
    "eventpoll",
    "kmalloc",
    "request_sock",
    "bpf",
];

pub(super) fn measure(binaries: &Binaries) -> Result<String, Failure> {
    let most = usize::try_from(descriptors()?.saturating_sub(SPARE) / 4)?;
    let mut text = "the kernel's bytes a connection, IPv4; of them connection tracking's\n\n".to_owned();
    for way in WAYS {
        let mut line = format!("{:16}", way.name());
        for count in HELD.map(|count| count.min(most)) {
            let Bytes { all, conntrack } = held(binaries, way, count)?;
            let each = |bytes: i64| bytes / i64::try_from(count).unwrap_or(1);
            line += &format!("  {count} held: {:6} {:5}", each(all), each(conntrack));
        }
        text += &(line + "\n");
    }
    Ok(text)
}

/// How many descriptors this process may have now: as many as it needs, where it may raise its limit.
fn descriptors() -> Result<u64, Failure> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.max(DESCRIPTORS);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted);
    match raised {
        Ok(()) => Ok(wanted),
        Err(_) => Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard)?),
    }
}

/// Bytes of live objects.
struct Bytes {
    all: i64,
    conntrack: i64,
}

/// What so many connections add.
fn held(binaries: &Binaries, way: Way, count: usize) -> Result<Bytes, Failure> {
    let mut options = NetworkOptions::default();
    options.base.programs.push(("tproxy".to_owned(), binaries.tproxy.clone()));
    let topology = Topology::ready("pod-and-peer")?;
    let network = Network::up(&topology, &options)?;
    let server = SocketAddr::new(topology.address("peer", IpFamily::V4)?, PORT);
    let pod = network.node("pod")?;
    let app = App::start(network.node("peer")?, AppSpec::new("server", Identity::ROOT, [PORT]))?;
    let mode = if way == Way::Straight { Mode::ForwardTo(server) } else { Mode::Forward };
    let spec = SidecarSpec { mode, connections: count, ..SidecarSpec::new(SIDECAR) };
    let own = SocketAddr::new(IpFamily::V4.localhost(), spec.outbound_port);
    let sidecar = Sidecar::start(pod, spec)?;
    if let Way::Redirected(backend) = way {
        tproxy(pod, &["install", &format!("--backend={backend}")])?;
    }
    let client = Client::start(pod, "client", APP)?;
    let before = live()?;
    let to = if way == Way::Straight { own } else { server };
    let kept = (0..count).map(|_| keep(&client, to)).collect::<Result<Vec<Held>, Failure>>()?;
    let after = live()?;
    let (served, passed) = (app.log().all().len(), sidecar.log().all().len());
    let expected = if way == Way::Direct { 0 } else { count };
    if (served, passed) != (count, expected) {
        return Err(
            format!("{}: {served} of {count} were served, {passed} by the sidecar", way.name()).into()
        );
    }
    drop(kept);
    network.down()?;
    let added = |is_counted: fn(&str) -> bool| {
        let sum = |caches: &BTreeMap<String, i64>| -> i64 {
            caches.iter().filter(|(name, _)| is_counted(name)).map(|(_, bytes)| *bytes).sum()
        };
        sum(&after) - sum(&before)
    };
    Ok(Bytes { all: added(|_| true), conntrack: added(|name| name.starts_with("nf_conntrack")) })
}

fn keep(client: &Client, to: SocketAddr) -> Result<Held, Failure> {
    client
        .hold(Attempt::to(to))?
        .map_err(|outcome| format!("a connection was not answered: {outcome:?}").into())
}

/// Bytes of live objects, cache by cache.
fn live() -> Result<BTreeMap<String, i64>, Failure> {
    let text = std::fs::read_to_string("/proc/slabinfo")?;
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let objects: i64 = words.next()?.parse().ok()?;
        let size: i64 = words.nth(1)?.parse().ok()?;
        CACHES.iter().any(|cache| name.starts_with(cache)).then_some((name, objects * size))
    };
    Ok(text.lines().skip(2).filter_map(line).collect())
}
