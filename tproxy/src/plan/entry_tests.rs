//! The option behind each line, and the sentence beside it.

use rstest::rstest;

use super::Plan;
use super::flow::{ConntrackState, Flow};
use super::shapes_tests::{APP, SIDECAR, arriving, by, on_host, plan, tcp, udp};
use crate::host::resolv_conf::Resolver;

/// `key: value`, or nothing.
fn entry(plan: &Plan, flow: &Flow) -> String {
    let entry = plan.explain(flow).entry;
    entry.map_or_else(String::new, |entry| format!("{}: {}", entry.key, entry.value))
}

fn from_outside(address: &str) -> Flow {
    arriving(address, "10.9.9.9")
}

#[rstest]
#[case::captured("{}", tcp("10.9.9.9:80", APP), "redirect.outbound.enabled: true")]
#[case::of_an_included_range(
    "{outbound: {includePorts: [22, 80-89]}}",
    tcp("10.9.9.9:81", APP),
    "redirect.outbound.includePorts: 80-89"
)]
#[case::of_no_included_range(
    "{outbound: {includePorts: [22, 80-89]}}",
    tcp("10.9.9.9:90", APP),
    "redirect.outbound.includePorts: 22,80-89"
)]
#[case::excluded(
    "{outbound: {excludePorts: [22, 80-89]}}",
    tcp("10.9.9.9:81", APP),
    "redirect.outbound.excludePorts: 80-89"
)]
#[case::a_user(
    "{outbound: {excludePortsForUIDs: [\"7\", \"tcp:80:1000\"]}}",
    tcp("10.9.9.9:80", APP),
    "redirect.outbound.excludePortsForUIDs: tcp:80:1000"
)]
#[case::a_users_queries(
    "{outbound: {excludePortsForUIDs: [\"udp:53:1000\"]}}",
    udp("10.0.0.53:53", APP),
    "redirect.outbound.excludePortsForUIDs: udp:53:1000"
)]
#[case::a_group(
    "{outbound: {excludeGIDs: [7, 2000-2999]}}",
    Flow { gid: Some(2001), ..tcp("10.9.9.9:80", APP) },
    "redirect.outbound.excludeGIDs: 2000-2999"
)]
#[case::a_network(
    "{outbound: {excludePortsForIPs: [10.8.0.0/16, 10.9.0.0/16]}}",
    tcp("10.9.9.9:80", APP),
    "redirect.outbound.excludePortsForIPs: 10.9.0.0/16"
)]
#[case::an_interface(
    "{outbound: {excludeInterfaces: [eth1, wg+]}}",
    by("wg0", tcp("10.9.9.9:80", APP)),
    "redirect.outbound.excludeInterfaces: wg+"
)]
#[case::off("{outbound: {enabled: false}}", tcp("10.9.9.9:80", APP), "redirect.outbound.enabled: false")]
#[case::the_sidecar("{}", tcp("10.9.9.9:80", SIDECAR), "kumaDPUser: 5678")]
#[case::the_sidecar_to_itself("{}", tcp("10.0.0.2:80", SIDECAR), "kumaDPUser: 5678")]
#[case::the_sidecar_to_localhost("{}", tcp("127.0.0.1:80", SIDECAR), "kumaDPUser: 5678")]
#[case::the_sidecar_to_itself_without_inbound_port(
    "{inbound: {enabled: false, port: 0}}",
    tcp("10.0.0.2:80", SIDECAR),
    "redirect.inbound.port: 0"
)]
#[case::the_sidecar_to_localhost_without_inbound_port(
    "{inbound: {enabled: false, port: 0}}",
    tcp("127.0.0.1:80", SIDECAR),
    "kumaDPUser: 5678"
)]
#[case::the_sidecar_to_others_without_inbound_port(
    "{inbound: {enabled: false, port: 0}}",
    tcp("10.9.9.9:80", SIDECAR),
    "kumaDPUser: 5678"
)]
#[case::its_application_from_the_passthrough_source(
    "{}", Flow { source: "127.0.0.6".parse().ok(), ..tcp("10.0.0.2:80", SIDECAR) }, ""
)]
#[case::anybody_to_itself("{}", tcp("10.0.0.2:80", APP), "")]
#[case::a_query("{dns: {enabled: true}}", udp("10.0.0.53:53", APP), "redirect.dns.enabled: true")]
#[case::a_query_to_any_server(
    "{dns: {captureAll: true}}",
    udp("10.9.9.9:53", APP),
    "redirect.dns.captureAll: true"
)]
#[case::a_query_over_tcp("{dns: {enabled: true}}", tcp("10.0.0.53:53", APP), "redirect.dns.enabled: true")]
#[case::a_query_of_the_sidecar("{dns: {enabled: true}}", udp("10.0.0.53:53", SIDECAR), "kumaDPUser: 5678")]
#[case::a_query_to_another_server(
    "{dns: {enabled: true}}",
    udp("10.9.9.9:53", APP),
    "redirect.dns.captureAll: false"
)]
#[case::a_query_with_dns_off("{}", udp("10.0.0.53:53", APP), "redirect.dns.captureAll: false")]
#[case::no_query("{dns: {enabled: true}}", udp("10.0.0.53:54", APP), "")]
fn outbound(#[case] redirect: &str, #[case] flow: Flow, #[case] expected: &str) {
    assert_eq!(entry(&plan(&format!("redirect: {redirect}")), &flow), expected);
}

/// Two patterns for br0, the first with IPv4 only.
const VNETS: &str =
    "networks: [\"br+:172.17.0.0/16\", \"br0:172.18.0.0/16\", \"br0:fd18::/64\", \"br1:fd19::/64\"]";

#[rstest]
#[case::captured("{}", from_outside("10.0.0.2:80"), "redirect.inbound.enabled: true")]
#[case::forwarded("{}", from_outside("10.5.5.5:80"), "redirect.inbound.enabled: true")]
#[case::off("{inbound: {enabled: false}}", from_outside("10.0.0.2:80"), "redirect.inbound.enabled: false")]
#[case::excluded(
    "{inbound: {excludePorts: [22, 80-89]}}",
    from_outside("10.0.0.2:81"),
    "redirect.inbound.excludePorts: 80-89"
)]
#[case::included(
    "{inbound: {includePorts: [22, 80-89]}}",
    from_outside("10.0.0.2:81"),
    "redirect.inbound.includePorts: 80-89"
)]
#[case::not_included(
    "{inbound: {includePorts: [22, 80-89]}}",
    from_outside("10.0.0.2:90"),
    "redirect.inbound.includePorts: 22,80-89"
)]
#[case::a_source(
    "{inbound: {excludePortsForIPs: [10.8.0.0/16, 10.9.0.0/16]}}",
    from_outside("10.0.0.2:80"),
    "redirect.inbound.excludePortsForIPs: 10.9.0.0/16"
)]
#[case::an_interface(
    "{inbound: {excludeInterfaces: [eth1, wg+]}}",
    by("wg0", from_outside("10.0.0.2:80")),
    "redirect.inbound.excludeInterfaces: wg+"
)]
#[case::out_of_a_virtual_network(
    "{vnet: {VNETS}}",
    by("br0", from_outside("10.5.5.5:80")),
    "redirect.vnet.networks: br+:172.17.0.0/16,br0:172.18.0.0/16"
)]
#[case::out_of_a_virtual_network_with_one_pattern(
    "{vnet: {VNETS}}",
    by("br1", from_outside("10.5.5.5:80")),
    "redirect.vnet.networks: br+:172.17.0.0/16"
)]
#[case::out_of_a_virtual_network_over_ipv6(
    "{vnet: {VNETS}}",
    by("br0", arriving("[fd99::9]:80", "fd18::9")),
    "redirect.vnet.networks: br0:fd18::/64"
)]
#[case::a_query_out_of_a_virtual_network(
    "{dns: {enabled: true}, vnet: {VNETS}}",
    by("br0", udp_from_outside("[fd99::9]:53")),
    "redirect.vnet.networks: br0:fd18::/64"
)]
#[case::a_query_out_of_a_virtual_network_with_dns_off(
    "{vnet: {VNETS}}",
    by("br0", udp_from_outside("10.5.5.5:53")),
    "redirect.dns.captureAll: false"
)]
#[case::no_query_out_of_a_virtual_network("{vnet: {VNETS}}", by("br0", udp_from_outside("10.5.5.5:54")), "")]
#[case::a_query_by_another_interface("{vnet: {VNETS}}", by("eth0", udp_from_outside("10.5.5.5:53")), "")]
fn inbound(#[case] redirect: &str, #[case] flow: Flow, #[case] expected: &str) {
    let redirect = redirect.replace("VNETS", VNETS);
    assert_eq!(entry(&plan(&format!("redirect: {redirect}")), &flow), expected);
}

fn udp_from_outside(address: &str) -> Flow {
    Flow { protocol: super::flow::Protocol::Udp, ..from_outside(address) }
}

#[test]
fn an_invalid_packet() {
    let flow = Flow { conntrack: ConntrackState::Invalid, ..from_outside("10.0.0.2:80") };
    assert_eq!(entry(&plan("dropInvalidPackets: true"), &flow), "dropInvalidPackets: true");
}

#[rstest]
#[case::not_wanted("ipv4", None, "ipFamilyMode: ipv4", "IPv6 is not captured")]
#[case::not_there("dualstack", Some("it is off"), "", "IPv6 is not captured: it is off")]
#[case::neither("ipv4", Some("it is off"), "", "IPv6 is not captured: it is off")]
fn a_family_is_off_by_the_option_or_by_the_host(
    #[case] mode: &str,
    #[case] missing: Option<&str>,
    #[case] expected: &str,
    #[case] why: &str,
) {
    let plan = on_host(&format!("ipFamilyMode: {mode}"), Resolver::default(), missing);
    for flow in [tcp("[fd99::9]:80", APP), arriving("[fd00::2]:80", "fd99::9")] {
        assert_eq!((entry(&plan, &flow), plan.explain(&flow).why), (expected.to_owned(), why.to_owned()));
    }
}

#[rstest]
#[case::dns_is_off("{}", udp("10.0.0.53:53", APP), "DNS queries over IPv4 are not captured")]
#[case::of_ipv6("{}", udp("[fd00::53]:53", APP), "DNS queries over IPv6 are not captured")]
#[case::another_server(
    "{dns: {enabled: true}}",
    udp("10.9.9.9:53", APP),
    "it goes to no name server whose queries are captured"
)]
#[case::no_query("{dns: {enabled: true}}", udp("10.0.0.53:54", APP), "only TCP is captured, and DNS")]
#[case::without_inbound_port(
    "{inbound: {enabled: false, port: 0}}",
    tcp("10.0.0.2:80", SIDECAR),
    "the sidecar calls this host, and there is no inbound port to send that to"
)]
#[case::without_inbound_port_elsewhere(
    "{inbound: {enabled: false, port: 0}}",
    tcp("10.9.9.9:80", SIDECAR),
    "what the sidecar (uid 5678) sends leaves untouched; captured, it would loop"
)]
#[case::the_network(
    "{outbound: {excludePortsForIPs: [10.9.0.0/16]}}",
    tcp("10.9.9.9:80", APP),
    "what is sent to 10.9.0.0/16 is excluded"
)]
#[case::all_parts(
    "{outbound: {excludePortsForUIDs: [\"tcp:80-81:1000-1001\"]}}",
    tcp("10.9.9.9:80", APP),
    "what is sent over TCP to port 80-81 by uid 1000-1001 is excluded"
)]
fn the_sentence_says_what_decided(#[case] redirect: &str, #[case] flow: Flow, #[case] why: &str) {
    assert_eq!(plan(&format!("redirect: {redirect}")).explain(&flow).why, why);
}
