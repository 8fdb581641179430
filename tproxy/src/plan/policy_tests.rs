//! Every line of the policy table decides at least one flow here, and order between lines is shown.

use std::net::SocketAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use rstest::rstest;

use super::super::{Exclusion, Host, Inbound, IptablesOptions, Outbound, Policy};
use super::*;
use crate::config::ports::{Port, Ports};

const SIDECAR: u32 = 5678;
const APP: u32 = 1000;

fn ports(list: &[u16]) -> Ports {
    Ports::from_ports(list.iter().filter_map(|port| Port::new(*port)))
}

fn options() -> IptablesOptions {
    let facts = crate::host::HostFacts {
        users: crate::host::Users::named([("kuma-dp", SIDECAR)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver: crate::host::resolv_conf::Resolver::default(),
    };
    let config = crate::config::Config::default();
    super::super::resolve(&config, &facts, super::super::Sidecar::MustExist).unwrap().0.iptables
}

/// The default installation on a pod with 10.0.0.2 and fd00::2.
fn plan() -> Plan {
    Plan {
        policy: Policy {
            sidecar_uid: SIDECAR,
            families: IpFamily::ALL.into(),
            inbound: Inbound {
                enabled: true,
                port: Some(Port::INBOUND),
                include_ports: Ports::default(),
                exclude_ports: Ports::default(),
                exclude_sources: Vec::new(),
                exclude_interfaces: Vec::new(),
                only_interface: None,
            },
            outbound: Outbound {
                enabled: true,
                port: Port::OUTBOUND,
                include_ports: Ports::default(),
                exclude_ports: Ports::default(),
                exclusions: Vec::new(),
                exclude_interfaces: Vec::new(),
            },
            dns: None,
            vnets: Vec::new(),
            drop_invalid: false,
            engine: Engine::Netfilter,
        },
        iptables: options(),
        host: Host {
            loopback: "lo".to_owned(),
            addresses: ["10.0.0.2", "fd00::2", "::6"].map(|address| address.parse().unwrap()).into(),
            without_ipv6: None,
        },
    }
}

fn to(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn network(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn decide(plan: &Plan, flow: &Flow) -> (String, &'static str) {
    let decision = plan.verdict(flow);
    (decision.verdict.to_string(), decision.line.name())
}

#[rstest]
#[case::captured("10.9.9.9:443", APP, "redirect to port 15001", "outbound/captured")]
#[case::captured_v6("[fd99::9]:443", APP, "redirect to port 15001", "outbound/captured")]
#[case::mapped_is_ipv4("[::ffff:10.9.9.9]:443", APP, "redirect to port 15001", "outbound/captured")]
#[case::root_is_no_exception("10.9.9.9:443", 0, "redirect to port 15001", "outbound/captured")]
#[case::sidecar("10.9.9.9:443", SIDECAR, "pass", "outbound/sidecar")]
#[case::sidecar_to_self("10.0.0.2:80", SIDECAR, "redirect to port 15006", "outbound/sidecar-to-self")]
#[case::sidecar_to_self_v6("[fd00::2]:80", SIDECAR, "redirect to port 15006", "outbound/sidecar-to-self")]
#[case::sidecar_to_other_loopback(
    "127.0.0.9:80",
    SIDECAR,
    "redirect to port 15006",
    "outbound/sidecar-to-self"
)]
#[case::sidecar_to_the_passthrough_address(
    "127.0.0.6:80",
    SIDECAR,
    "redirect to port 15006",
    "outbound/sidecar-to-self"
)]
#[case::sidecar_to_localhost("127.0.0.1:80", SIDECAR, "pass", "outbound/sidecar")]
#[case::sidecar_to_localhost_v6("[::1]:80", SIDECAR, "pass", "outbound/sidecar")]
#[case::app_to_localhost("127.0.0.1:80", APP, "pass", "outbound/app-to-self")]
#[case::app_to_pod("10.0.0.2:80", APP, "pass", "outbound/app-to-self")]
#[case::app_to_pod_v6("[fd00::2]:80", APP, "pass", "outbound/app-to-self")]
#[case::unspecified_is_localhost("0.0.0.0:80", APP, "pass", "outbound/app-to-self")]
#[case::unspecified_is_localhost_v6("[::]:80", SIDECAR, "pass", "outbound/sidecar")]
#[case::from_an_own_address_to_itself("[::6]:80", SIDECAR, "pass", "outbound/passthrough-source")]
#[case::dns_is_off("10.9.9.9:53", APP, "redirect to port 15001", "outbound/captured")]
fn outbound_by_default(#[case] address: &str, #[case] uid: u32, #[case] verdict: &str, #[case] line: &str) {
    assert_eq!(decide(&plan(), &Flow::outbound(to(address), uid)), (verdict.to_owned(), line));
}

#[test]
fn the_passthrough_source_passes_even_for_the_sidecar_and_only_on_loopback() {
    let plan = plan();
    for (address, source) in [("10.0.0.2:80", "127.0.0.6"), ("[fd00::2]:80", "::6")] {
        let from =
            |address: &str| Flow { source: source.parse().ok(), ..Flow::outbound(to(address), SIDECAR) };
        assert_eq!(decide(&plan, &from(address)).1, "outbound/passthrough-source");
    }
    let mapped = Flow {
        source: "::ffff:127.0.0.6".parse().ok(),
        ..Flow::outbound(to("[::ffff:10.0.0.2]:80"), SIDECAR)
    };
    assert_eq!(decide(&plan, &mapped).1, "outbound/passthrough-source");
    let elsewhere = Flow { source: "127.0.0.6".parse().ok(), ..Flow::outbound(to("10.9.9.9:80"), APP) };
    assert_eq!(decide(&plan, &elsewhere).1, "outbound/captured");
}

#[rstest]
#[case::localhost("127.0.0.1:80", APP, "pass", "outbound/app-to-self")]
#[case::localhost_v6("[::1]:80", SIDECAR, "pass", "outbound/sidecar")]
#[case::app_to_pod("10.0.0.2:80", APP, "pass", "outbound/app-to-self")]
#[case::sidecar_to_pod("[fd00::2]:80", SIDECAR, "redirect to port 15006", "outbound/sidecar-to-self")]
#[case::elsewhere("10.9.9.9:80", APP, "redirect to port 15001", "outbound/captured")]
fn an_address_of_this_host_is_reached_by_loopback_whatever_interface_is_named(
    #[case] address: &str,
    #[case] uid: u32,
    #[case] verdict: &str,
    #[case] line: &str,
) {
    let flow = Flow { interface: Some("eth0".to_owned()), ..Flow::outbound(to(address), uid) };
    assert_eq!(decide(&plan(), &flow), (verdict.to_owned(), line));
}

#[test]
fn what_leaves_by_loopback_for_an_address_that_is_not_listed_stays_here_too() {
    let flow = Flow { interface: Some("lo".to_owned()), ..Flow::outbound(to("10.9.9.9:80"), APP) };
    assert_eq!(decide(&plan(), &flow).1, "outbound/app-to-self");
}

#[test]
fn excluded_and_included_ports_outbound() {
    let mut plan = plan();
    plan.policy.outbound.exclude_ports = ports(&[9000]);
    assert_eq!(decide(&plan, &Flow::outbound(to("10.9.9.9:9000"), APP)).1, "outbound/excluded-port");
    // Line 8 stands before line 10.
    assert_eq!(decide(&plan, &Flow::outbound(to("10.0.0.2:9000"), SIDECAR)).1, "outbound/excluded-port");
    plan.policy.outbound.include_ports = ports(&[80, 9000]);
    assert_eq!(decide(&plan, &Flow::outbound(to("10.9.9.9:9000"), APP)).1, "outbound/captured");
    assert_eq!(decide(&plan, &Flow::outbound(to("10.9.9.9:81"), APP)).1, "outbound/not-included-port");
    assert_eq!(decide(&plan, &Flow::outbound(to("10.0.0.2:81"), SIDECAR)).1, "outbound/sidecar-to-self");
}

#[test]
fn an_exclusion_passes_when_all_its_parts_match() {
    let mut plan = plan();
    plan.policy.outbound.exclusions = vec![
        Exclusion {
            protocol: Some(Protocol::Tcp),
            ports: ports(&[5432]),
            uids: Some(IdRange { first: 10, last: 12 }),
            ..Exclusion::default()
        },
        Exclusion { network: Some(network("192.168.0.0/16")), ..Exclusion::default() },
        Exclusion { gids: Some(IdRange { first: 7, last: 7 }), ..Exclusion::default() },
    ];
    let line = |flow: &Flow| decide(&plan, flow).1;
    assert_eq!(line(&Flow::outbound(to("10.9.9.9:5432"), 12)), "outbound/exclusion");
    assert_eq!(line(&Flow::outbound(to("10.9.9.9:5432"), 13)), "outbound/captured");
    assert_eq!(line(&Flow::outbound(to("10.9.9.9:5433"), 12)), "outbound/captured");
    assert_eq!(line(&Flow::outbound(to("192.168.3.4:80"), APP)), "outbound/exclusion");
    assert_eq!(line(&Flow { gid: Some(7), ..Flow::outbound(to("10.9.9.9:80"), APP) }), "outbound/exclusion");
}

#[test]
fn directions_and_families_that_are_off_pass() {
    let mut plan = plan();
    plan.policy.outbound.enabled = false;
    plan.policy.inbound.enabled = false;
    let from = "10.9.9.9".parse().unwrap();
    assert_eq!(decide(&plan, &Flow::outbound(to("10.9.9.9:80"), APP)).1, "outbound/off");
    assert_eq!(decide(&plan, &Flow::inbound(to("10.0.0.2:80"), from)).1, "inbound/off");
    plan.policy.families = [IpFamily::V4].into();
    assert_eq!(decide(&plan, &Flow::outbound(to("[fd99::9]:80"), APP)).1, "outbound/family-off");
    assert_eq!(decide(&plan, &Flow::inbound(to("[fd00::2]:80"), from)).1, "inbound/family-off");
}

#[test]
fn the_sidecar_reaches_the_inbound_port_with_inbound_off() {
    let mut plan = plan();
    plan.policy.inbound.enabled = false;
    assert_eq!(decide(&plan, &Flow::outbound(to("10.0.0.2:80"), SIDECAR)).1, "outbound/sidecar-to-self");
}

#[test]
fn dns_is_captured_but_neither_the_sidecars_nor_over_tcp() {
    let mut plan = plan();
    let server = "10.9.9.53".parse().unwrap();
    plan.policy.dns = Some(Dns { port: Port::new(15053).unwrap(), servers: Some(vec![server]) });
    let udp = |address: &str, uid| Flow { protocol: Protocol::Udp, ..Flow::outbound(to(address), uid) };
    assert_eq!(
        decide(&plan, &udp("10.9.9.53:53", APP)),
        ("redirect to port 15053".to_owned(), "outbound/dns")
    );
    assert_eq!(decide(&plan, &udp("10.9.9.53:53", SIDECAR)).1, "outbound/dns-from-sidecar");
    assert_eq!(decide(&plan, &udp("10.9.9.54:53", APP)).1, "outbound/not-tcp");
    assert_eq!(decide(&plan, &udp("[fd99::53]:53", APP)).1, "outbound/not-tcp");
    assert_eq!(decide(&plan, &Flow::outbound(to("10.9.9.9:53"), APP)).1, "outbound/dns-over-tcp");
    assert_eq!(decide(&plan, &Flow::outbound(to("10.9.9.9:53"), SIDECAR)).1, "outbound/sidecar");
    assert_eq!(decide(&plan, &Flow::outbound(to("[fd99::53]:53"), APP)).1, "outbound/captured");
}

#[rstest]
#[case::captured("10.0.0.2:80", "redirect to port 15006", "inbound/captured")]
#[case::captured_v6("[fd00::2]:80", "redirect to port 15006", "inbound/captured")]
#[case::forwarded("10.5.5.5:80", "redirect to port 15006", "inbound/forwarded")]
fn inbound_by_default(#[case] address: &str, #[case] verdict: &str, #[case] line: &str) {
    let from = "10.9.9.9".parse().unwrap();
    assert_eq!(decide(&plan(), &Flow::inbound(to(address), from)), (verdict.to_owned(), line));
}

#[test]
fn excluded_and_included_ports_sources_and_interfaces_inbound() {
    let mut plan = plan();
    let flow = |address: &str| Flow::inbound(to(address), "10.9.9.9".parse().unwrap());
    plan.policy.inbound.exclude_ports = ports(&[22]);
    assert_eq!(decide(&plan, &flow("10.0.0.2:22")).1, "inbound/excluded-port");
    plan.policy.inbound.include_ports = ports(&[22, 80]);
    assert_eq!(decide(&plan, &flow("10.0.0.2:22")).1, "inbound/included-port");
    assert_eq!(decide(&plan, &flow("10.0.0.2:81")).1, "inbound/not-included-port");
    plan.policy.inbound.exclude_sources = vec![network("10.9.0.0/16")];
    assert_eq!(decide(&plan, &flow("10.0.0.2:22")).1, "inbound/excluded-source");
    plan.policy.inbound.exclude_interfaces = vec!["eth1".parse().unwrap()];
    let by = Flow { interface: Some("eth1".to_owned()), ..flow("10.0.0.2:22") };
    assert_eq!(decide(&plan, &by).1, "inbound/excluded-interface");
}

#[test]
fn virtual_networks_and_invalid_packets_come_first() {
    let mut plan = plan();
    plan.policy.vnets =
        vec![VirtualNetwork { interface: "br+".parse().unwrap(), networks: vec![network("172.17.0.0/16")] }];
    let by = |address: &str| Flow {
        interface: Some("br0".to_owned()),
        ..Flow::inbound(to(address), "172.17.0.9".parse().unwrap())
    };
    let outbound = "redirect to port 15001".to_owned();
    assert_eq!(decide(&plan, &by("10.5.5.5:80")), (outbound, "inbound/vnet-tcp"));
    assert_eq!(decide(&plan, &by("172.17.0.8:80")).1, "inbound/forwarded");
    assert_eq!(decide(&plan, &by("[fd99::9]:80")).1, "inbound/forwarded");
    let query = Flow { protocol: Protocol::Udp, ..by("10.5.5.5:53") };
    assert_eq!(decide(&plan, &query).1, "inbound/not-tcp");
    plan.policy.dns = Some(Dns { port: Port::new(15053).unwrap(), servers: None });
    assert_eq!(decide(&plan, &query).1, "inbound/vnet-dns");
    plan.policy.drop_invalid = true;
    assert_eq!(decide(&plan, &query).1, "inbound/vnet-dns");
    let invalid = Flow { conntrack: ConntrackState::Invalid, ..query };
    assert_eq!(decide(&plan, &invalid), ("drop".to_owned(), "inbound/invalid"));
    plan.policy.drop_invalid = false;
    assert_eq!(decide(&plan, &invalid).1, "inbound/vnet-dns");
}

proptest! {
    /// Whatever else is configured, the sidecar must never be sent to the port of its own outbound listener.
    #[test]
    fn the_sidecar_is_never_sent_to_the_outbound_port(
        address in any::<[u8; 4]>(), port in 1_u16.., excluded in any::<Vec<u16>>(), included in any::<Vec<u16>>(),
    ) {
        let mut plan = plan();
        plan.policy.outbound.exclude_ports = ports(&excluded);
        plan.policy.outbound.include_ports = ports(&included);
        let flow = Flow::outbound(SocketAddr::from((address, port)), SIDECAR);
        prop_assert_ne!(plan.verdict(&flow).verdict, Verdict::Redirect(Port::OUTBOUND));
    }

    #[test]
    fn an_excluded_port_is_never_captured(address in any::<[u8; 4]>(), port in 1_u16.., uid: u32) {
        let mut plan = plan();
        plan.policy.outbound.exclude_ports = ports(&[port]);
        let flow = Flow::outbound(SocketAddr::from((address, port)), uid);
        prop_assert_eq!(plan.verdict(&flow).verdict, Verdict::Pass);
    }
}
