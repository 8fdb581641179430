//! One CPU-bound part of tproxy, done once, for valgrind to count its instructions: `counted PART`. The part `nothing` is
//! what all have in common.
//!
//! Must do the same work in each run, and the same as other revisions do: what a part is never changes, it gets another
//! name.

#![expect(clippy::unwrap_used, reason = "a count of a failed part would be none")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;

use tproxy::config::Layers;
use tproxy::family::IpFamily;
use tproxy::host::resolv_conf::Resolver;
use tproxy::host::{HostFacts, Users};
use tproxy::iptables::render::{self, Installed, InstalledRules};
use tproxy::iptables::{Flavour, Tool, save};
use tproxy::plan::flow::Flow;
use tproxy::plan::{self, Plan, Sidecar};

type Part = fn();

fn main() {
    let parts: BTreeMap<&str, Part> = BTreeMap::from([
        ("nothing", (|| ()) as Part),
        ("configuration", configuration),
        ("exclusions", || drop(black_box(planned(&listed(1_000))))),
        ("render", rendered),
        ("verdicts", verdicts),
        ("saved-rules", saved_rules),
    ]);
    match std::env::args().nth(1).as_deref().map(|name| parts.get(name)) {
        Some(Some(part)) => part(),
        // What there is to count, for whoever counts.
        None => parts.keys().for_each(|name| println!("{name}")),
        Some(None) => std::process::exit(2),
    }
}

const SMALL: &str =
    "redirect:\n  outbound: {excludePorts: [22, 5432, 9000]}\n  inbound: {excludePorts: \"22,9901\"}\n";

fn configuration() {
    for _ in 0..100 {
        black_box(Layers::default().file("counted.yaml", black_box(SMALL)).resolve().unwrap());
    }
}

/// A configuration with so many networks, half of them IPv6.
fn listed(count: usize) -> String {
    let network = |n: usize| match n % 2 {
        0 => format!("10.{}.{}.0/24", n >> 8, n & 255),
        _ => format!("2001:db8:{n:x}::/48"),
    };
    let items: String = (0..count).map(|n| format!("      - \"{}\"\n", network(n))).collect();
    format!("redirect:\n  outbound:\n    excludePortsForIPs:\n{items}")
}

fn planned(text: &str) -> Plan {
    let facts = HostFacts {
        users: Users::named([("kuma-dp", 5678)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver: Resolver::default(),
    };
    let config = Layers::default().file("counted.yaml", text).resolve().unwrap().config;
    plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
}

fn rendered() {
    let rules = IpFamily::ALL.map(|family| {
        let tool = Tool { flavour: Flavour::Nft, family, save: PathBuf::new(), restore: PathBuf::new() };
        InstalledRules { tool, tables: Vec::new() }
    });
    let nothing = Installed { rules: rules.into(), ..Installed::default() };
    let (small, large) = (planned(SMALL), planned(&listed(1_000)));
    for plan in [&small, &large] {
        black_box(render::install(plan, &nothing, Flavour::Nft).unwrap());
    }
}

fn verdicts() {
    let plan = planned(&listed(1_000));
    for number in 0..=u8::MAX {
        let to = format!("10.{number}.2.3:443").parse().unwrap();
        black_box(plan.verdict(&Flow::outbound(to, 1000)));
    }
}

/// The rules of a busy host, none of them ours.
fn saved_rules() {
    let chains: String = (0..500).map(|n| format!(":KUBE-SVC-{n} - [0:0]\n")).collect();
    let rule = |n: usize| {
        format!("-A KUBE-SVC-{n} -m comment --comment \"default/service-{n}\" -j KUBE-MARK-MASQ\n")
    };
    let rules: String = (0..500).map(rule).collect();
    let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n");
    black_box(save::parse(&text).unwrap());
}
