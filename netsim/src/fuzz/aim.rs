//! Flows that are built to match an option, or just to miss it, with what must become of them.
//!
//! What must happen follows from an option's own meaning, since the others of the case have nothing to do with the flow (design.md, Kuma's documentation). Must never use tproxy's parser, plan or policy: a mistake that
//! those have in common with the rules would not be seen.

use std::net::{IpAddr, SocketAddr};

use super::options::Options;
use super::world::{
    self, Claim, INBOUND, OUTBOUND, QUERIES, QUIET_PORT, SIDECAR, Sender, Shot, Transport, addresses,
    name_server, quiet,
};
use crate::random::Random;
use crate::topology::IpFamily;

use Claim::{Passes, Redirected};
use Transport::{Tcp, Udp};

/// A user whom no option is about.
const APP: u32 = 1000;

/// Options and flows, all with a claim.
pub(super) struct Aimed {
    pub(super) options: Options,
    pub(super) shots: Vec<Shot>,
}

type Aim = fn(&mut Random, IpFamily) -> Option<Aimed>;

/// About what processes of the pod send to the peer.
const OUTBOUND_AIMS: [Aim; 8] = [
    outbound_ports,
    included_outbound_ports,
    outbound_networks,
    users,
    users_and_ports,
    groups,
    listed_servers,
    all_servers,
];
/// About what arrives from the peer.
const INBOUND_AIMS: [Aim; 3] = [inbound_ports, included_inbound_ports, inbound_networks];
/// About both, and so alone.
const AIMS: [Aim; 3] = [interfaces, virtual_networks, listeners_and_sidecar];

/// A case of any aim, or of two that have nothing to do with each other.
pub(super) fn aimed(random: &mut Random) -> Option<Aimed> {
    if random.chance(1, 5) {
        return in_families(random, &AIMS);
    }
    let (outbound, inbound) = (in_families(random, &OUTBOUND_AIMS)?, in_families(random, &INBOUND_AIMS)?);
    let shots = outbound.shots.into_iter().chain(inbound.shots).collect();
    Some(Aimed { options: outbound.options.and(inbound.options), shots })
}

/// Flows of one family, and of the other, too, where the same options are about both.
fn in_families(random: &mut Random, aims: &[Aim]) -> Option<Aimed> {
    let aim = random.pick(aims).copied()?;
    let (one, other) =
        if random.chance(1, 2) { (IpFamily::V4, IpFamily::V6) } else { (IpFamily::V6, IpFamily::V4) };
    let mut twin = random.clone();
    let mut aimed = aim(random, one)?;
    let also = aim(&mut twin, other).filter(|also| also.options == aimed.options);
    aimed.shots.extend(also.into_iter().flat_map(|also| also.shots));
    Some(aimed)
}

/// Somebody calls somewhere.
fn call(from: Sender, to: IpAddr, port: u16, transport: Transport, claim: Claim) -> Shot {
    Shot { from, source: None, to: SocketAddr::new(to, port), transport, claim: Some(claim) }
}

fn app() -> Option<Sender> {
    Sender::uid(APP)
}

/// A range of ports from the world's list, and the ports of that list inside and outside of it.
fn range(random: &mut Random) -> Option<(String, Vec<u16>, Vec<u16>)> {
    let port = |random: &mut Random| random.pick(&world::PORTS).copied();
    let (a, b) = (port(random)?, port(random)?);
    let (first, last) = (a.min(b), a.max(b));
    let written = if first == last { first.to_string() } else { format!("{first}-{last}") };
    let called = |port: &&u16| **port != QUIET_PORT;
    let (inside, outside) =
        world::PORTS.iter().filter(called).partition(|port| (first..=last).contains(*port));
    Some((written, inside, outside))
}

fn outbound_ports(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = range(random)?;
    let (app, peer) = (app()?, quiet(family)?);
    let shot = |port: u16, claim| call(app, peer, port, Tcp, claim);
    let passing = inside.into_iter().map(|port| shot(port, Passes));
    let captured = outside.into_iter().map(|port| shot(port, Redirected(OUTBOUND[0])));
    let options = Options::default().with("exclude-outbound-ports", written);
    Some(Aimed { options, shots: passing.chain(captured).collect() })
}

/// With a list of ports to capture, the list of excluded ones does not count.
fn included_outbound_ports(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = range(random)?;
    let (app, peer) = (app()?, quiet(family)?);
    let shot = |port: u16, claim| call(app, peer, port, Tcp, claim);
    let captured = inside.into_iter().map(|port| shot(port, Redirected(OUTBOUND[0])));
    let passing = outside.into_iter().map(|port| shot(port, Passes));
    let mut options = Options::default().with("include-outbound-ports", &written);
    if random.chance(1, 2) {
        options.add("exclude-outbound-ports", written);
    }
    Some(Aimed { options, shots: captured.chain(passing).collect() })
}

/// A network around an address, and which addresses of a node are in it, counted bit by bit.
fn network(random: &mut Random, node: &str, family: IpFamily) -> Option<(String, Vec<IpAddr>, Vec<IpAddr>)> {
    let all = addresses(node, family);
    let around = *random.pick(&all)?;
    let bits: u32 = if around.is_ipv4() { 32 } else { 128 };
    let length = u32::try_from(1 + random.below(bits as usize)).ok()?;
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let is_inside =
        |address: &IpAddr| (number(*address) ^ number(around)).checked_shr(bits - length) == Some(0);
    let (inside, outside) = all.into_iter().partition(is_inside);
    Some((format!("{around}/{length}"), inside, outside))
}

/// Excluded networks pass whatever the protocol, queries included.
fn outbound_networks(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = network(random, "peer", family)?;
    let app = app()?;
    let shots = |address: IpAddr, tcp, udp| {
        [
            call(app, address, 80, Tcp, tcp),
            call(app, address, 53, Udp, udp),
            call(app, address, 443, Udp, Passes),
        ]
    };
    let passing = inside.into_iter().flat_map(|address| shots(address, Passes, Passes));
    let captured = outside
        .into_iter()
        .flat_map(|address| shots(address, Redirected(OUTBOUND[0]), Redirected(QUERIES[0])));
    let options =
        Options::default().with("exclude-outbound-ips", written).with("redirect-all-dns-traffic", true);
    Some(Aimed { options, shots: passing.chain(captured).collect() })
}

/// A range of ids, and who of the world is in it; the sidecar is left out.
fn owners(
    random: &mut Random,
    id: fn(crate::node::Identity) -> u32,
) -> Option<(String, Vec<Sender>, Vec<Sender>)> {
    let one = |random: &mut Random| random.pick(&world::IDENTITIES).map(|identity| id(*identity));
    let (a, b) = (one(random)?, one(random)?);
    let (first, last) = (a.min(b), a.max(b));
    let all = (0..world::IDENTITIES.len()).map(Sender::Local);
    let others = all.filter(|sender| sender.identity().is_some_and(|identity| identity.uid != SIDECAR));
    let (inside, outside) =
        others.partition(|sender| sender.identity().is_some_and(|one| (first..=last).contains(&id(one))));
    let written = if first == last { first.to_string() } else { format!("{first}-{last}") };
    Some((written, inside, outside))
}

fn users(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = owners(random, |identity| identity.uid)?;
    let peer = quiet(family)?;
    let shots =
        |sender: Sender, tcp, udp| [call(sender, peer, 443, Tcp, tcp), call(sender, peer, 53, Udp, udp)];
    let passing = inside.into_iter().flat_map(|sender| shots(sender, Passes, Passes));
    let captured =
        outside.into_iter().flat_map(|sender| shots(sender, Redirected(OUTBOUND[0]), Redirected(QUERIES[0])));
    let options = Options::default()
        .with("exclude-outbound-ports-for-uids", written)
        .with("redirect-all-dns-traffic", true);
    Some(Aimed { options, shots: passing.chain(captured).collect() })
}

/// Each part of an exclusion must match: a flow that misses one of them is captured.
fn users_and_ports(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (ports, inside_ports, outside_ports) = range(random)?;
    let (users, inside, outside) = owners(random, |identity| identity.uid)?;
    let peer = quiet(family)?;
    let mut shots = Vec::new();
    for (sender, is_in) in
        inside.iter().map(|sender| (sender, true)).chain(outside.iter().map(|sender| (sender, false)))
    {
        for (port, port_is_in) in
            inside_ports.iter().map(|port| (port, true)).chain(outside_ports.iter().map(|port| (port, false)))
        {
            let claim = if is_in && port_is_in { Passes } else { Redirected(OUTBOUND[0]) };
            shots.push(call(*sender, peer, *port, Tcp, claim));
        }
    }
    random.shuffle(&mut shots);
    shots.truncate(40);
    let options = Options::default().with("exclude-outbound-ports-for-uids", format!("tcp:{ports}:{users}"));
    Some(Aimed { options, shots })
}

fn groups(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = owners(random, |identity| identity.gid)?;
    let peer = quiet(family)?;
    let passing = inside.into_iter().map(|sender| call(sender, peer, 80, Tcp, Passes));
    let captured = outside.into_iter().map(|sender| call(sender, peer, 80, Tcp, Redirected(OUTBOUND[0])));
    let options = Options::default().with("exclude-outbound-gids", written);
    Some(Aimed { options, shots: passing.chain(captured).collect() })
}

fn pod(family: IpFamily) -> Option<IpAddr> {
    addresses("pod", family).first().copied()
}

fn inbound_ports(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = range(random)?;
    let (peer, pod) = (Sender::Node("peer"), pod(family)?);
    let passing = inside.into_iter().map(|port| call(peer, pod, port, Tcp, Passes));
    let captured = outside.into_iter().map(|port| call(peer, pod, port, Tcp, Redirected(INBOUND[0])));
    // The listener for queries takes datagrams only: nobody answers a connection there.
    let shots =
        passing.chain(captured).filter(|shot| shot.claim != Some(Passes) || shot.to.port() != QUERIES[0]);
    let options = Options::default().with("exclude-inbound-ports", written);
    Some(Aimed { options, shots: shots.collect() })
}

fn included_inbound_ports(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = range(random)?;
    let (peer, pod) = (Sender::Node("peer"), pod(family)?);
    let captured = inside.into_iter().map(|port| call(peer, pod, port, Tcp, Redirected(INBOUND[0])));
    let passing = outside.into_iter().map(|port| call(peer, pod, port, Tcp, Passes));
    let shots =
        captured.chain(passing).filter(|shot| shot.claim != Some(Passes) || shot.to.port() != QUERIES[0]);
    let options = Options::default().with("include-inbound-ports", written);
    Some(Aimed { options, shots: shots.collect() })
}

fn inbound_networks(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, inside, outside) = network(random, "peer", family)?;
    let (peer, pod) = (Sender::Node("peer"), pod(family)?);
    let shot = |source: IpAddr, claim| Shot { source: Some(source), ..call(peer, pod, 8080, Tcp, claim) };
    let passing = inside.into_iter().map(|source| shot(source, Passes));
    let captured = outside.into_iter().map(|source| shot(source, Redirected(INBOUND[0])));
    let options = Options::default().with("exclude-inbound-ips", written);
    Some(Aimed { options, shots: passing.chain(captured).collect() })
}

fn interfaces(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (written, is_excluded): (&str, fn(&str) -> bool) = match random.below(3) {
        0 => ("eth1", |interface| interface == "eth1"),
        1 => ("eth+", |interface| interface.starts_with("eth")),
        _ => ("vm0", |interface| interface == "vm0"),
    };
    let mut shots = Vec::new();
    for (node, interface, own) in [("quiet", "eth0", 0), ("second", "eth1", 2), ("vm", "vm0", 1)] {
        let there = if node == "quiet" { quiet(family)? } else { *addresses(node, family).first()? };
        let sender = if node == "quiet" { "peer" } else { node };
        let (outbound, inbound) = match is_excluded(interface) {
            true => (Passes, Passes),
            false => (Redirected(OUTBOUND[0]), Redirected(INBOUND[0])),
        };
        shots.push(call(app()?, there, 80, Tcp, outbound));
        shots.push(call(Sender::Node(sender), *addresses("pod", family).get(own)?, 8080, Tcp, inbound));
    }
    let options = Options::default()
        .with("exclude-outbound-interfaces", written)
        .with("exclude-inbound-interfaces", written);
    Some(Aimed { options, shots })
}

/// TCP that leaves the networks of an interface, and queries of that interface while DNS is captured (D22).
fn virtual_networks(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let network = match (family, random.below(2)) {
        (IpFamily::V4, 0) => "10.78.0.0/24",
        (IpFamily::V4, _) => "10.78.0.0/25",
        (IpFamily::V6, 0) => "fd78::/64",
        (IpFamily::V6, _) => "fd78::/120",
    };
    let (vm, app, away) = (Sender::Node("vm"), app()?, quiet(family)?);
    let inside = *addresses("pod", family).get(1)?;
    let dns = random.chance(1, 2);
    let mut options = Options::default().with("vnet", format!("vm0:{network}"));
    let mut shots = vec![
        call(vm, away, 80, Tcp, Redirected(OUTBOUND[0])),
        call(vm, inside, 8080, Tcp, Redirected(INBOUND[0])),
        call(vm, away, 443, Udp, Passes),
        call(app, away, 80, Tcp, Redirected(OUTBOUND[0])),
    ];
    if dns {
        options.add("redirect-all-dns-traffic", true);
        shots.push(call(vm, away, 53, Udp, Redirected(QUERIES[0])));
    } else {
        shots.push(call(vm, away, 53, Udp, Passes));
    }
    Some(Aimed { options, shots })
}

/// Queries to the server of resolv.conf, and to nobody else; over TCP only the sidecar's are looked at any further.
fn listed_servers(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (server, other) = (name_server(family)?, quiet(family)?);
    let (app, sidecar) = (app()?, Sender::uid(SIDECAR)?);
    let mut options = Options::default().with("redirect-dns", true);
    if random.chance(1, 3) {
        options.add("skip-dns-conntrack-zone-split", true);
    }
    let shots = vec![
        call(app, server, 53, Udp, Redirected(QUERIES[0])),
        call(app, other, 53, Udp, Passes),
        call(app, server, 54, Udp, Passes),
        call(app, server, 53, Tcp, Passes),
        call(sidecar, server, 53, Udp, Passes),
        call(sidecar, server, 53, Tcp, Passes),
        call(app, server, 80, Tcp, Redirected(OUTBOUND[0])),
    ];
    Some(Aimed { options, shots })
}

fn all_servers(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (app, sidecar) = (app()?, Sender::uid(SIDECAR)?);
    let mut options = Options::default().with("redirect-all-dns-traffic", true);
    let port = *random.pick(&QUERIES)?;
    if port != QUERIES[0] {
        options.add("redirect-dns-port", port);
    }
    let servers = addresses("peer", family);
    let queries = servers.iter().map(|server| call(app, *server, 53, Udp, Redirected(port)));
    let passing = servers
        .iter()
        .flat_map(|server| [call(sidecar, *server, 53, Udp, Passes), call(app, *server, 53, Tcp, Passes)]);
    Some(Aimed { options, shots: queries.chain(passing).collect() })
}

/// Other ports, another user, and what a sidecar does with its own host.
fn listeners_and_sidecar(random: &mut Random, family: IpFamily) -> Option<Aimed> {
    let (inbound, outbound) = (*random.pick(&INBOUND)?, *random.pick(&OUTBOUND)?);
    let uid = *random.pick(&[SIDECAR, 1001, 65534, 4_294_967_294])?;
    let mut options = Options::default()
        .with("redirect-inbound-port", inbound)
        .with("redirect-outbound-port", outbound)
        .with("kuma-dp-user", uid);
    let captures_arriving = random.chance(2, 3);
    if !captures_arriving {
        options.add("redirect-inbound", false);
    }
    let (app, sidecar, peer) = (app()?, Sender::uid(uid)?, Sender::Node("peer"));
    let (away, own) = (quiet(family)?, pod(family)?);
    let mut shots = vec![
        call(app, away, 80, Tcp, Redirected(outbound)),
        call(sidecar, away, 80, Tcp, Passes),
        call(app, own, 8080, Tcp, Passes),
        call(sidecar, own, 8080, Tcp, Redirected(inbound)),
        call(sidecar, family.localhost(), 8080, Tcp, Passes),
        call(peer, own, 8080, Tcp, if captures_arriving { Redirected(inbound) } else { Passes }),
    ];
    shots.push(Shot { source: Some(family.passthrough()), ..call(sidecar, own, 8080, Tcp, Passes) });
    let others = (0..world::IDENTITIES.len()).map(Sender::Local);
    let others = others.filter(|sender| *sender != sidecar);
    shots.extend(others.map(|sender| call(sender, away, 443, Tcp, Redirected(outbound))));
    Some(Aimed { options, shots })
}
