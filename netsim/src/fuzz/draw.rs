//! Random options and random flows, about which nothing is known but what the policy says.
//!
//! Pure: the same seed draws the same.

use std::net::{IpAddr, SocketAddr};

use super::options::Options;
use super::world::{self, IDENTITIES, INBOUND, OUTBOUND, PORTS, QUERIES, Sender, Shot, Transport};
use crate::random::Random;
use crate::topology::IpFamily;

/// Options of every kind, each there now and then.
pub(super) fn options(random: &mut Random) -> Options {
    let mut options = Options::default();
    let flags: [(&'static str, usize); 9] = [
        ("redirect-inbound-insert-instead-of-append", 8),
        ("redirect-outbound-insert-instead-of-append", 8),
        ("disable-comments", 10),
        ("drop-invalid-packets", 8),
        ("iptables-logs", 12),
        ("skip-dns-conntrack-zone-split", 8),
        ("redirect-dns", 3),
        ("redirect-inbound", 8),
        ("ip-family-mode", 10),
    ];
    for (flag, rarity) in flags {
        if random.chance(1, rarity) {
            let value = match flag {
                "redirect-inbound" => "false",
                "ip-family-mode" => "ipv4",
                _ => "true",
            };
            options.add(flag, value);
        }
    }
    // Both together are refused.
    if !options.has("redirect-dns") && random.chance(1, 3) {
        options.add("redirect-all-dns-traffic", "true");
    }
    listeners(random, &mut options);
    for flag in
        ["exclude-outbound-ports", "exclude-inbound-ports", "include-outbound-ports", "include-inbound-ports"]
    {
        several(random, 5, 4, |random| options.add(flag, ports(random)));
    }
    for flag in ["exclude-outbound-ips", "exclude-inbound-ips"] {
        several(random, 3, 5, |random| options.add(flag, network(random, "peer")));
    }
    several(random, 3, 3, |random| options.add("exclude-outbound-ports-for-uids", of_users(random)));
    several(random, 5, 2, |random| options.add("exclude-outbound-gids", ids(random)));
    for flag in ["exclude-outbound-interfaces", "exclude-inbound-interfaces"] {
        several(random, 6, 2, |random| {
            options.add(flag, one(random, &["eth1", "eth0", "vm0", "vm+", "et+"]));
        });
    }
    several(random, 4, 3, |random| {
        let interface = one(random, &["vm0", "vm+", "eth1"]);
        let network = network(random, if interface == "eth1" { "second" } else { "vm" });
        options.add("vnet", format!("{interface}:{network}"));
    });
    options
}

fn listeners(random: &mut Random, options: &mut Options) {
    if random.chance(1, 4) {
        options.add("redirect-inbound-port", INBOUND[1]);
    }
    if random.chance(1, 4) {
        options.add("redirect-outbound-port", OUTBOUND[1]);
    }
    if random.chance(1, 4) {
        options.add("redirect-dns-port", QUERIES[1]);
    }
    if random.chance(1, 4) {
        let uids = [0, 1000, 1001, 65534, 65536, 4_294_967_294_u32];
        options.add("kuma-dp-user", random.pick(&uids).copied().unwrap_or(world::SIDECAR));
    }
}

/// Now and then, up to `most` times.
fn several(random: &mut Random, rarity: usize, most: usize, mut draw: impl FnMut(&mut Random)) {
    if random.chance(1, rarity) {
        for _ in 0..=random.below(most) {
            draw(random);
        }
    }
}

fn one(random: &mut Random, items: &[&'static str]) -> &'static str {
    random.pick(items).copied().unwrap_or_default()
}

fn port(random: &mut Random) -> u16 {
    random.pick(&PORTS).copied().unwrap_or(80)
}

/// A port or a range, whose ends are called.
fn ports(random: &mut Random) -> String {
    let (a, b) = (port(random), port(random));
    if random.chance(1, 2) { a.to_string() } else { format!("{}-{}", a.min(b), a.max(b)) }
}

/// A network around an address of a node, of any length, or the address itself.
pub(super) fn network(random: &mut Random, node: &str) -> String {
    let family = family(random);
    let Some(address) = random.pick(&world::addresses(node, family)).copied() else { return String::new() };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    match random.below(8) {
        0 => address.to_string(),
        1 => format!("{address}/{bits}"),
        2 => format!("{address}/{}", random.below(8)),
        _ => format!("{address}/{}", 8 + random.below(bits - 7)),
    }
}

fn ids(random: &mut Random) -> String {
    let mut id = || random.pick(&IDENTITIES).map_or(0, |identity| identity.uid);
    let (a, b) = (id(), id());
    if random.chance(1, 2) { a.to_string() } else { format!("{}-{}", a.min(b), a.max(b)) }
}

fn of_users(random: &mut Random) -> String {
    let ids = ids(random);
    match random.below(4) {
        0 => ids,
        1 => format!("{}:{ids}", ports(random)),
        2 => format!("{}:{ids}", one(random, &["tcp", "udp"]).to_owned() + ":" + &ports(random)),
        _ => format!("tcp,udp:{}:{ids}", ports(random)),
    }
}

fn family(random: &mut Random) -> IpFamily {
    if random.chance(1, 2) { IpFamily::V4 } else { IpFamily::V6 }
}

/// A flow of any kind.
pub(super) fn shot(random: &mut Random) -> Shot {
    let family = family(random);
    let transport = if random.chance(1, 4) { Transport::Udp } else { Transport::Tcp };
    let port = if random.chance(1, 4) { 53 } else { port(random) };
    let from = match random.below(8) {
        0 => Sender::Node("peer"),
        1 => Sender::Node("vm"),
        2 => Sender::Node("second"),
        _ => Sender::Local(random.below(IDENTITIES.len())),
    };
    let (to, source) = match from {
        Sender::Local(_) => locally(random, family),
        Sender::Node(node) => from_outside(random, family, node),
    };
    Shot { from, source, to: SocketAddr::new(to, port), transport, claim: None }
}

fn locally(random: &mut Random, family: IpFamily) -> (IpAddr, Option<IpAddr>) {
    let own = world::addresses("pod", family);
    let of = |random: &mut Random, node| {
        random.pick(&world::addresses(node, family)).copied().unwrap_or_else(|| family.localhost())
    };
    match random.below(8) {
        0 => (family.localhost(), None),
        1 => (of(random, "pod"), None),
        // As a sidecar calls its own application.
        2 if family == IpFamily::V4 => (of(random, "pod"), Some(family.passthrough())),
        3 => {
            let source = random.pick(&own).copied();
            (of(random, "vm"), source.filter(|_| random.chance(1, 2)))
        }
        4 => (of(random, "second"), None),
        _ => (of(random, "peer"), None),
    }
}

/// To the pod mostly, by an address that leads there, else through it.
fn from_outside(random: &mut Random, family: IpFamily, node: &'static str) -> (IpAddr, Option<IpAddr>) {
    let nodes = ["pod", "pod", "pod", "peer", "vm", "second"];
    let target = random.pick(&nodes).copied().filter(|target| *target != node).unwrap_or("pod");
    let to = random.pick(&world::addresses(target, family)).copied().unwrap_or_else(|| family.localhost());
    let source = random.pick(&world::addresses(node, family)).copied();
    (to, source.filter(|_| random.chance(3, 4)))
}
