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

fn plan() -> Plan {
    let facts = HostFacts {
        users: Users::named([("kuma-dp", 5678)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver: Resolver::default(),
    };
    let config = Layers::default().file("bench.yaml", YAML).resolve().unwrap().config;
    plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
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

criterion_group!(pure, benches);
criterion_main!(pure);
