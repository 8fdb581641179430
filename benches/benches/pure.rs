//! The CPU-bound parts: configuration, plan, verdict, rules, and reading what is installed.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use tproxy::config::Layers;
use tproxy::family::IpFamily;
use tproxy::host::resolv_conf::Resolver;
use tproxy::host::{HostFacts, Users};
use tproxy::iptables::render::{self, Installed, InstalledRules};
use tproxy::iptables::{Flavour, Tool, save};
use tproxy::plan::flow::Flow;
use tproxy::plan::{self, Plan, Sidecar};

const YAML: &str =
    "redirect:\n  outbound: {excludePorts: [22, 5432, 9000]}\n  inbound: {excludePorts: \"22,9901\"}\n";

fn planned(layers: Layers) -> Plan {
    let facts = HostFacts {
        users: Users::named([("kuma-dp", 5678)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver: Resolver::default(),
    };
    let config = layers.resolve().unwrap().config;
    plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
}

fn plan() -> Plan {
    planned(Layers::default().file("bench.yaml", YAML))
}

/// 8,000 networks, half of them IPv6, and 2,000 exclusions of users with protocols and ports.
fn exclusions() -> (Vec<String>, Vec<String>) {
    let network = |n: usize| match n % 2 {
        0 => format!("10.{}.{}.0/24", n >> 8, n & 255),
        _ => format!("2001:db8:{n:x}::/48"),
    };
    let user = |n: usize| format!("tcp:80,443,8000-8999:{}", 2 * n);
    ((0..8000).map(network).collect(), (0..2000).map(user).collect())
}

/// Two lists as a YAML file.
fn listed(networks: &[String], users: &[String]) -> String {
    let items = |list: &[String]| list.iter().map(|item| format!("      - \"{item}\"\n")).collect::<String>();
    let (networks, users) = (items(networks), items(users));
    format!("redirect:\n  outbound:\n    excludePortsForIPs:\n{networks}    excludePortsForUIDs:\n{users}")
}

/// The same lists as flags, one an exclusion.
fn flags(networks: &[String], users: &[String]) -> Layers {
    let flags = |layers: Layers, name: &str, list: &[String]| {
        list.iter().fold(layers, |layers, item| layers.flag(name, item.as_str()))
    };
    let layers = flags(Layers::default(), "exclude-outbound-ips", networks);
    flags(layers, "exclude-outbound-ports-for-uids", users)
}

/// A configuration with 10,000 exclusions: read, resolved and planned.
fn many_exclusions(criterion: &mut Criterion) {
    let (networks, users) = exclusions();
    let text = listed(&networks, &users);
    let of_file = |text: &str| planned(Layers::default().file("bench.yaml", text));
    assert_eq!(of_file(&text).policy.outbound.exclusions.len(), 10_000);
    assert_eq!(of_file(&text), planned(flags(&networks, &users)));
    criterion.bench_function("10,000 exclusions from YAML", |bench| bench.iter(|| of_file(black_box(&text))));
    criterion.bench_function("10,000 exclusions from flags", |bench| {
        bench.iter(|| planned(flags(black_box(&networks), &users)));
    });
}

fn nothing() -> Installed {
    let rules = IpFamily::ALL.map(|family| {
        let tool = Tool { flavour: Flavour::Nft, family, save: PathBuf::new(), restore: PathBuf::new() };
        InstalledRules { tool, tables: Vec::new() }
    });
    Installed { rules: rules.into(), ..Installed::default() }
}

/// A save text of a busy host: many chains and rules of others.
fn saved() -> String {
    let chains: String = (0..500).map(|n| format!(":KUBE-SVC-{n} - [0:0]\n")).collect();
    let rules: String = (0..500)
        .map(|n| {
            format!(
                "-A KUBE-SVC-{n} -m comment --comment \"default/service-{n} cluster IP\" -j KUBE-MARK-MASQ\n"
            )
        })
        .collect();
    format!("*nat\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n")
}

fn benches(criterion: &mut Criterion) {
    let (plan, nothing, saved) = (plan(), nothing(), saved());
    let flow = Flow::outbound("10.1.2.3:443".parse().unwrap(), 1000);
    criterion.bench_function("configuration from YAML", |bench| {
        bench.iter(|| Layers::default().file("bench.yaml", black_box(YAML)).resolve().unwrap());
    });
    criterion.bench_function("verdict", |bench| bench.iter(|| plan.verdict(black_box(&flow))));
    criterion.bench_function("digest", |bench| bench.iter(|| black_box(&plan).digest()));
    criterion.bench_function("render", |bench| {
        bench.iter(|| render::install(black_box(&plan), &nothing, Flavour::Nft).unwrap());
    });
    criterion.bench_function("read 500 foreign rules", |bench| {
        bench.iter(|| save::parse(black_box(&saved)).unwrap());
    });
}

criterion_group!(pure, benches, many_exclusions);
criterion_main!(pure);
