//! Which entries contradict a policy, by what they carry, who owns them and where they come from.

use rstest::rstest;

use super::super::Tuple;
use super::*;
use crate::config::Layers;
use crate::host::{HostFacts, InterfaceAddress, Users, resolv_conf};
use crate::plan::{self, Sidecar};

const SIDECAR: u32 = 5678;
const APP: u32 = 1000;
const ALL: &str = "redirect: { dns: { captureAll: true } }";
const WITHOUT_ZONES: &str = "redirect: { dns: { captureAll: true, skipConntrackZoneSplit: true } }";

/// A pod with 10.0.0.2.
fn plan(yaml: &str) -> Plan {
    let facts = HostFacts {
        users: Users::named([("kuma-dp", SIDECAR)]),
        loopback: "lo".to_owned(),
        addresses: vec![InterfaceAddress {
            interface: "eth0".to_owned(),
            address: "10.0.0.2".parse().unwrap(),
        }],
        without_ipv6: None,
        resolver: resolv_conf::Resolver::default(),
    };
    let config = Layers::default().file("config.yaml", yaml).resolve().unwrap().config;
    plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
}

/// A query from `source` to `server`, answered by `answers`.
fn query(source: &str, server: &str, answers: &str) -> Entry {
    let [source, server, answers]: [SocketAddr; 3] =
        [source, server, answers].map(|end| end.parse().unwrap());
    Entry {
        protocol: Protocol::Udp,
        zone: 0,
        original: Tuple { source, destination: server },
        reply: Tuple { source: answers, destination: source },
        destination_nat: server != answers,
        tcp_state: None,
        key: Vec::new(),
    }
}

fn passing() -> Entry {
    query("10.0.0.2:4000", "10.0.0.9:53", "10.0.0.9:53")
}

fn captured(port: u16, zone: u16) -> Entry {
    Entry { zone, ..query("10.0.0.2:4000", "10.0.0.9:53", &format!("127.0.0.1:{port}")) }
}

fn socket(address: &str, uid: u32) -> Socket {
    Socket { address: address.parse().unwrap(), uid }
}

/// With 15053 the port of now and of before.
fn stale(entry: &Entry, plan: Option<&Plan>, sockets: &[Socket]) -> bool {
    let redirects = Redirects { tcp: [15001].into(), udp: [15053].into() };
    is_stale(entry, Wanted { plan, redirects: &redirects, sockets })
}

#[rstest]
#[case::a_query_that_bypasses("0.0.0.0:4000", APP, passing(), true)]
#[case::a_query_of_the_sidecar("0.0.0.0:4000", SIDECAR, passing(), false)]
#[case::through_a_socket_of_both_families("[::]:4000", SIDECAR, passing(), false)]
#[case::from_a_mapped_address("[::ffff:10.0.0.2]:4000", SIDECAR, passing(), false)]
#[case::the_sidecars_socket_has_another_address("10.0.0.3:4000", SIDECAR, passing(), true)]
#[case::a_captured_query("10.0.0.2:4000", APP, captured(15053, 2), false)]
#[case::captured_in_a_zone_that_is_the_sidecars_now("10.0.0.2:4000", APP, captured(15053, 0), true)]
#[case::captured_and_the_sidecars_now("10.0.0.2:4000", SIDECAR, captured(15053, 2), true)]
#[case::taken_by_another_programs_rules(
    "0.0.0.0:4000",
    APP,
    query("10.0.0.2:4000", "10.96.0.10:53", "10.244.0.5:53"),
    true
)]
fn with_all_queries_captured(
    #[case] bound: &str,
    #[case] uid: u32,
    #[case] entry: Entry,
    #[case] expected: bool,
) {
    assert_eq!(stale(&entry, Some(&plan(ALL)), &[socket(bound, uid)]), expected);
}

#[test]
fn an_entry_without_a_socket_goes_where_it_may_be_wrong() {
    assert!(stale(&passing(), Some(&plan(ALL)), &[]));
    assert!(!stale(&passing(), Some(&plan("{}")), &[]));
}

/// Somebody may use its port anew already, and wait for an answer that goes back through the entry.
#[test]
fn an_entry_without_a_socket_stays_where_only_queries_that_are_captured_find_it() {
    assert!(!stale(&captured(15053, 2), Some(&plan(ALL)), &[]));
    assert!(stale(&captured(15053, 0), Some(&plan(WITHOUT_ZONES)), &[]));
    assert!(stale(
        &captured(15053, 2),
        Some(&plan("redirect: { dns: { captureAll: true, port: 15054 } }")),
        &[]
    ));
}

#[test]
fn without_zones_the_zone_of_a_captured_query_says_nothing() {
    let sockets = [socket("0.0.0.0:4000", APP)];
    assert!(!stale(&captured(15053, 0), Some(&plan(WITHOUT_ZONES)), &sockets));
}

#[test]
fn a_changed_port_and_a_policy_without_dns_release_what_was_captured() {
    let sockets = [socket("0.0.0.0:4000", APP)];
    let other = plan("redirect: { dns: { captureAll: true, port: 15054 } }");
    assert!(stale(&captured(15053, 2), Some(&other), &sockets));
    assert!(stale(&captured(15053, 2), Some(&plan("{}")), &sockets));
    assert!(stale(&captured(15053, 2), None, &sockets));
}

#[test]
fn what_is_none_of_ours_stays() {
    let sockets = [socket("0.0.0.0:4000", APP)];
    let elsewhere = query("10.0.0.2:4000", "10.0.0.9:123", "10.0.0.9:123");
    let tcp = Entry { protocol: Protocol::Tcp, ..captured(15053, 0) };
    let asked_here = query("10.0.0.7:4000", "10.0.0.2:53", "10.0.0.2:53");
    let forwarded = query("10.0.0.7:4000", "10.0.0.9:53", "10.0.0.9:53");
    for entry in [elsewhere, tcp, asked_here, forwarded] {
        assert!(!stale(&entry, Some(&plan(ALL)), &sockets), "{entry:?}");
        assert!(!stale(&entry, None, &sockets), "{entry:?}");
    }
    // Another program's redirection of queries: uninstalling leaves it alone.
    assert!(!stale(&query("10.0.0.2:4000", "127.0.0.11:53", "127.0.0.11:40000"), None, &sockets));
}

#[test]
fn an_owner_whose_group_may_be_excluded_is_not_sure() {
    let plan = plan("redirect: { dns: { captureAll: true }, outbound: { excludeGIDs: ['7'] } }");
    assert!(stale(&captured(15053, 2), Some(&plan), &[socket("0.0.0.0:4000", APP)]));
}

#[test]
fn queries_from_a_virtual_network_are_captured_and_others_pass() {
    let plan = plan("redirect: { dns: { captureAll: true }, vnet: { networks: ['br+:10.5.0.0/16'] } }");
    let guest = |answers| query("10.5.0.7:4000", "10.0.0.9:53", answers);
    assert!(stale(&guest("10.0.0.9:53"), Some(&plan), &[]));
    assert!(!stale(&guest("10.5.0.1:15053"), Some(&plan), &[]));
    assert!(!stale(&query("10.6.0.7:4000", "10.0.0.9:53", "10.0.0.9:53"), Some(&plan), &[]));
}
