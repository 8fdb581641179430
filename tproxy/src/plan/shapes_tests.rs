//! Exclusions, interfaces, virtual networks and families of every shape, from the text of a configuration to the line.

use std::net::SocketAddr;

use rstest::rstest;

use super::flow::{Direction, Flow, Protocol};
use super::{Plan, Sidecar, resolve};
use crate::config::Layers;
use crate::host::resolv_conf::{self, Resolver};
use crate::host::{HostFacts, InterfaceAddress, Users};

pub(super) const SIDECAR: u32 = 5678;
pub(super) const APP: u32 = 1000;

/// The plan of a file on a pod with 10.0.0.2 and fd00::2, whose name servers are 10.0.0.53 and fd00::53.
pub(super) fn plan(yaml: &str) -> Plan {
    on_host(yaml, resolv_conf::parse("nameserver 10.0.0.53\nnameserver fd00::53"), None)
}

pub(super) fn on_host(yaml: &str, resolver: Resolver, without_ipv6: Option<&str>) -> Plan {
    let own = |interface: &str, address: &str| InterfaceAddress {
        interface: interface.to_owned(),
        address: address.parse().unwrap(),
    };
    let facts = HostFacts {
        users: Users::named([("kuma-dp", SIDECAR)]),
        loopback: "lo".to_owned(),
        addresses: vec![own("lo", "127.0.0.1"), own("eth0", "10.0.0.2"), own("eth0", "fd00::2")],
        without_ipv6: without_ipv6.map(str::to_owned),
        resolver,
    };
    let config = Layers::default().file("f", yaml).resolve().unwrap().config;
    resolve(&config, &facts, Sidecar::MustExist).unwrap().0
}

fn to(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub(super) fn tcp(address: &str, uid: u32) -> Flow {
    Flow::outbound(to(address), uid)
}

pub(super) fn udp(address: &str, uid: u32) -> Flow {
    Flow { protocol: Protocol::Udp, ..tcp(address, uid) }
}

pub(super) fn by(interface: &str, flow: Flow) -> Flow {
    Flow { interface: Some(interface.to_owned()), ..flow }
}

pub(super) fn arriving(address: &str, source: &str) -> Flow {
    Flow::inbound(to(address), source.parse().unwrap())
}

pub(super) fn line(plan: &Plan, flow: &Flow) -> &'static str {
    plan.verdict(flow).line.name()
}

#[rstest]
#[case::its_query(udp("10.0.0.53:53", 1001), "outbound/exclusion")]
#[case::its_query_to_another_port(udp("10.0.0.53:54", 1001), "outbound/not-tcp")]
#[case::its_connection_is_another_protocol(tcp("10.0.0.53:53", 1001), "outbound/dns-over-tcp")]
#[case::its_connection_to_another_port(tcp("10.9.9.9:80", 1001), "outbound/captured")]
#[case::anothers_query(udp("10.0.0.53:53", 1002), "outbound/dns")]
#[case::a_packet_without_owner(Flow { uid: None, ..udp("10.0.0.53:53", 0) }, "outbound/dns")]
fn a_udp_exclusion_passes_before_dns_is_captured(#[case] flow: Flow, #[case] name: &str) {
    let plan = plan("redirect: {dns: {enabled: true}, outbound: {excludePortsForUIDs: [\"udp:53:1001\"]}}");
    assert_eq!(line(&plan, &flow), name);
}

#[test]
fn a_tcp_exclusion_leaves_queries_captured() {
    let plan = plan("redirect: {dns: {enabled: true}, outbound: {excludePortsForUIDs: [\"tcp:53:1001\"]}}");
    assert_eq!(line(&plan, &tcp("10.0.0.53:53", 1001)), "outbound/exclusion");
    assert_eq!(line(&plan, &udp("10.0.0.53:53", 1001)), "outbound/dns");
}

#[rstest]
#[case::of_the_group(tcp("10.9.9.9:80", APP), Some(7), "outbound/exclusion")]
#[case::whoever_it_is(tcp("10.9.9.9:80", 0), Some(2500), "outbound/exclusion")]
#[case::whatever_protocol(udp("10.0.0.53:53", APP), Some(7), "outbound/exclusion")]
#[case::whatever_family(tcp("[fd99::9]:80", APP), Some(7), "outbound/exclusion")]
#[case::the_sidecar_to_itself(tcp("10.0.0.2:80", SIDECAR), Some(7), "outbound/exclusion")]
#[case::of_the_user_of_that_number(tcp("10.9.9.9:80", 7), Some(8), "outbound/captured")]
#[case::without_a_group(tcp("10.9.9.9:80", 7), None, "outbound/captured")]
fn a_group_is_excluded_by_itself(#[case] flow: Flow, #[case] gid: Option<u32>, #[case] name: &str) {
    let plan = plan("redirect: {dns: {enabled: true}, outbound: {excludeGIDs: [7, 2000-2999]}}");
    assert_eq!(line(&plan, &Flow { gid, ..flow }), name);
}

#[test]
fn exclusions_of_users_groups_and_networks_are_alternatives() {
    let plan = plan(
        "redirect: {outbound: {excludeGIDs: [7], excludePortsForUIDs: [\"tcp:80:1001\"], excludePortsForIPs: [10.8.0.0/16]}}",
    );
    let excluded = |flow: Flow| line(&plan, &flow) == "outbound/exclusion";
    assert!(excluded(Flow { gid: Some(7), ..tcp("10.9.9.9:81", APP) }));
    assert!(excluded(tcp("10.9.9.9:80", 1001)));
    assert!(excluded(tcp("10.8.9.9:81", APP)));
    assert!(excluded(udp("[::ffff:10.8.9.9]:81", APP)));
    assert!(!excluded(Flow { gid: Some(8), ..tcp("10.9.9.9:81", 1001) }));
}

#[rstest]
#[case("wg+", "wg0", true)]
#[case("wg+", "wg", true)]
#[case("wg+", "wlan0", false)]
#[case("wg0", "wg01", false)]
#[case("+", "anything", true)]
fn interface_patterns_stand_for_names_outbound_and_inbound(
    #[case] pattern: &str,
    #[case] name: &str,
    #[case] excluded: bool,
) {
    let list = format!("{{excludeInterfaces: [\"{pattern}\"]}}");
    let plan = plan(&format!("redirect: {{dns: {{enabled: true}}, inbound: {list}, outbound: {list}}}"));
    for (flow, otherwise) in
        [(tcp("10.9.9.9:80", APP), "outbound/captured"), (udp("10.0.0.53:53", APP), "outbound/dns")]
    {
        let expected = if excluded { "outbound/excluded-interface" } else { otherwise };
        assert_eq!(line(&plan, &by(name, flow)), expected);
    }
    let expected = if excluded { "inbound/excluded-interface" } else { "inbound/captured" };
    assert_eq!(line(&plan, &by(name, arriving("10.0.0.2:80", "10.9.9.9"))), expected);
}

#[test]
fn excluding_loopback_lets_the_sidecar_reach_its_own_host() {
    let plan = plan("redirect: {outbound: {excludeInterfaces: [lo]}}");
    for own in ["10.0.0.2:80", "127.0.0.1:80", "[fd00::2]:80", "[::]:80"] {
        assert_eq!(line(&plan, &tcp(own, SIDECAR)), "outbound/excluded-interface", "{own}");
    }
    // Whatever interface is named, this is the way to an own address.
    assert_eq!(line(&plan, &by("eth0", tcp("10.0.0.2:80", SIDECAR))), "outbound/excluded-interface");
    assert_eq!(line(&plan, &tcp("10.9.9.9:80", SIDECAR)), "outbound/sidecar");
}

#[test]
fn excluding_an_interface_excludes_no_own_address_on_it() {
    let plan = plan("redirect: {outbound: {excludeInterfaces: [eth0]}}");
    assert_eq!(line(&plan, &by("eth0", tcp("10.0.0.2:80", SIDECAR))), "outbound/sidecar-to-self");
    assert_eq!(line(&plan, &by("eth0", tcp("10.9.9.9:80", APP))), "outbound/excluded-interface");
}

/// Two virtual networks whose interfaces overlap, one of them with IPv4 only.
const OVERLAPPING: &str =
    "vnet: {networks: [\"br+:172.17.0.0/16\", \"br0:172.18.0.0/16\", \"br0:fd18::/64\"]}";

#[rstest]
#[case::inside_the_first("br0", "172.17.0.8:80", "inbound/forwarded")]
#[case::inside_the_second("br0", "172.18.0.8:80", "inbound/forwarded")]
#[case::outside_both("br0", "172.19.0.8:80", "inbound/vnet-tcp")]
#[case::the_second_is_for_br0_only("br1", "172.18.0.8:80", "inbound/vnet-tcp")]
#[case::outside_in_ipv6("br0", "[fd19::8]:80", "inbound/vnet-tcp")]
#[case::br1_has_no_ipv6("br1", "[fd19::8]:80", "inbound/forwarded")]
#[case::another_interface("eth0", "172.19.0.8:80", "inbound/forwarded")]
#[case::to_this_host_is_outside("br0", "10.0.0.2:80", "inbound/vnet-tcp")]
fn overlapping_virtual_networks_are_one(#[case] name: &str, #[case] to: &str, #[case] expected: &str) {
    let plan = plan(&format!("redirect: {{{OVERLAPPING}}}"));
    assert_eq!(line(&plan, &by(name, arriving(to, "172.17.0.9"))), expected);
}

#[rstest]
#[case::off("", "inbound/not-tcp", "inbound/not-tcp")]
#[case::on("dns: {enabled: true},", "inbound/vnet-dns", "inbound/vnet-dns")]
#[case::capture_all("dns: {captureAll: true},", "inbound/vnet-dns", "inbound/vnet-dns")]
fn dns_of_a_virtual_network_follows_dns_capture(#[case] dns: &str, #[case] v4: &str, #[case] v6: &str) {
    let plan = plan(&format!("redirect: {{{dns} {OVERLAPPING}}}"));
    let query = |to: &str| by("br0", Flow { protocol: Protocol::Udp, ..arriving(to, "172.17.0.9") });
    assert_eq!(line(&plan, &query("10.9.9.53:53")), v4);
    assert_eq!(line(&plan, &query("[fd99::53]:53")), v6);
    assert_eq!(line(&plan, &query("10.9.9.53:54")), "inbound/not-tcp");
    // DNS over TCP is a connection like any other.
    assert_eq!(line(&plan, &Flow { protocol: Protocol::Tcp, ..query("10.9.9.53:53") }), "inbound/vnet-tcp");
    // Nobody behind br1 speaks IPv6.
    let other = Flow { interface: Some("br1".to_owned()), ..query("[fd99::53]:53") };
    assert_eq!(line(&plan, &other), "inbound/not-tcp");
}

#[test]
fn a_virtual_network_is_captured_with_inbound_and_outbound_off() {
    let plan = plan(&format!(
        "redirect: {{inbound: {{enabled: false}}, outbound: {{enabled: false}}, {OVERLAPPING}}}"
    ));
    let outside = by("br0", arriving("172.19.0.8:80", "172.17.0.9"));
    assert_eq!(plan.verdict(&outside).verdict.to_string(), "redirect to port 15001");
    assert_eq!(line(&plan, &by("br0", arriving("172.17.0.8:80", "172.17.0.9"))), "inbound/off");
}

#[test]
fn without_an_inbound_port_the_sidecars_calls_to_its_host_pass() {
    let plan = plan("redirect: {inbound: {enabled: false, port: 0}}");
    for own in ["10.0.0.2:80", "127.9.9.9:80", "[fd00::2]:80"] {
        let decision = plan.verdict(&tcp(own, SIDECAR));
        assert_eq!(
            (decision.verdict.to_string().as_str(), decision.line.name()),
            ("pass", "outbound/sidecar")
        );
    }
    assert_eq!(line(&plan, &tcp("10.0.0.2:80", APP)), "outbound/app-to-self");
    assert_eq!(line(&plan, &arriving("10.0.0.2:80", "10.9.9.9")), "inbound/off");
}

#[test]
fn dns_of_a_family_without_name_server_is_off_in_that_family_alone() {
    let servers = resolv_conf::parse("nameserver 10.0.0.53");
    let plan = on_host("redirect: {dns: {enabled: true}}", servers, None);
    assert_eq!(line(&plan, &udp("10.0.0.53:53", APP)), "outbound/dns");
    assert_eq!(line(&plan, &udp("[fd00::53]:53", APP)), "outbound/not-tcp");
    assert_eq!(line(&plan, &tcp("10.9.9.9:53", APP)), "outbound/dns-over-tcp");
    assert_eq!(line(&plan, &tcp("[fd99::9]:53", APP)), "outbound/captured");
    // Capture-all asks for no server.
    let all = on_host("redirect: {dns: {captureAll: true}}", Resolver::default(), None);
    assert_eq!(line(&all, &udp("[fd99::53]:53", APP)), "outbound/dns");
}

#[rstest]
#[case::not_wanted("ipFamilyMode: ipv4", None)]
#[case::not_there("{}", Some("this kernel has no IPv6"))]
fn a_family_that_is_off_passes_whatever_is_configured(#[case] yaml: &str, #[case] missing: Option<&str>) {
    let rest = "dropInvalidPackets: true\nredirect: {dns: {captureAll: true}, vnet: {networks: [\"br0:fd18::/64\"]}}";
    let plan = on_host(&format!("{}\n{rest}", yaml.replace("{}", "")), Resolver::default(), missing);
    for flow in [tcp("[fd99::9]:80", APP), udp("[fd99::53]:53", APP), tcp("[fd00::2]:80", SIDECAR)] {
        assert_eq!(line(&plan, &flow), "outbound/family-off");
    }
    let invalid =
        Flow { conntrack: super::flow::ConntrackState::Invalid, ..arriving("[fd00::2]:80", "fd99::9") };
    for flow in [invalid, by("br0", arriving("[fd99::9]:80", "fd18::9"))] {
        assert_eq!(line(&plan, &flow), "inbound/family-off");
    }
    assert_eq!(line(&plan, &tcp("10.9.9.9:80", APP)), "outbound/captured");
    let mapped = Flow { uid: Some(APP), ..Flow::new(Direction::Outbound, to("[::ffff:10.9.9.9]:80")) };
    assert_eq!(line(&plan, &mapped), "outbound/captured");
}
