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
#[case::a_query_with_dns_off("{}", udp("10.0.0.53:53", APP), "redirect.dns.enabled: false")]
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
    "redirect.dns.enabled: false"
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
    let plan = plan("dropInvalidPackets: true");
    assert_eq!(entry(&plan, &flow), "dropInvalidPackets: true");
    let why = "it belongs to no connection, so it would slip past the redirection";
    assert_eq!(plan.explain(&flow).why, why);
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

#[test]
fn what_is_typed_and_what_is_sent_have_the_same_reason() {
    let plan =
        plan("redirect: {inbound: {enabled: false, port: 0}, outbound: {excludePortsForIPs: [10.9.0.0/16]}}");
    for (typed, sent) in [("[::ffff:10.9.9.9]:80", "10.9.9.9:80"), ("[::ffff:127.0.0.9]:80", "127.0.0.9:80")]
    {
        let (typed, sent) = (plan.explain(&tcp(typed, SIDECAR)), plan.explain(&tcp(sent, SIDECAR)));
        assert_eq!((typed.why, typed.entry), (sent.why, sent.entry));
    }
}

#[rstest]
#[case("outbound/captured", "{}", tcp("10.9.9.9:80", APP), "outgoing TCP connections go through the sidecar")]
#[case(
    "outbound/captured",
    "{outbound: {includePorts: [80]}}",
    tcp("10.9.9.9:80", APP),
    "outgoing TCP connections go through the sidecar"
)]
#[case(
    "outbound/not-included-port",
    "{outbound: {includePorts: [22, 80-89]}}",
    tcp("10.9.9.9:90", APP),
    "port 90 is not included (included: 22,80-89)"
)]
#[case(
    "outbound/excluded-port",
    "{outbound: {excludePorts: [22, 80-89]}}",
    tcp("10.9.9.9:81", APP),
    "port 81 is excluded (excluded: 22,80-89)"
)]
#[case(
    "outbound/exclusion",
    "{outbound: {excludePortsForIPs: [10.9.0.0/16]}}",
    tcp("10.9.9.9:80", APP),
    "what is sent to 10.9.0.0/16 is excluded"
)]
#[case(
    "outbound/exclusion",
    "{outbound: {excludeGIDs: [7]}}",
    Flow { gid: Some(7), ..tcp("10.9.9.9:80", APP) },
    "what is sent by gid 7 is excluded"
)]
#[case(
    "outbound/exclusion",
    "{outbound: {excludePortsForUIDs: [\"tcp:80-81:1000-1001\"]}}",
    tcp("10.9.9.9:80", APP),
    "what is sent over TCP to port 80-81 by uid 1000-1001 is excluded"
)]
#[case(
    "outbound/excluded-interface",
    "{outbound: {excludeInterfaces: [eth1]}}",
    by("eth1", tcp("10.9.9.9:80", APP)),
    "it leaves through an excluded interface"
)]
#[case("outbound/off", "{outbound: {enabled: false}}", tcp("10.9.9.9:80", APP), "outbound capture is off")]
#[case(
    "outbound/dns",
    "{dns: {enabled: true}}",
    udp("10.0.0.53:53", APP),
    "DNS queries to this server are captured"
)]
#[case(
    "outbound/dns-over-tcp",
    "{dns: {enabled: true}}",
    tcp("10.0.0.53:53", APP),
    "DNS over TCP is left alone: the DNS port speaks UDP"
)]
#[case(
    "outbound/dns-from-sidecar",
    "{dns: {enabled: true}}",
    udp("10.0.0.53:53", SIDECAR),
    "the sidecar's own DNS queries must reach the real name server"
)]
#[case("outbound/not-tcp", "{}", udp("10.0.0.53:53", APP), "DNS queries are not captured")]
#[case("outbound/not-tcp", "{}", udp("[fd00::53]:53", APP), "DNS queries are not captured")]
#[case(
    "outbound/not-tcp",
    "{dns: {enabled: true}}",
    udp("10.9.9.9:53", APP),
    "it goes to no name server whose queries are captured"
)]
#[case(
    "outbound/not-tcp",
    "{dns: {enabled: true}}",
    udp("10.0.0.53:54", APP),
    "only TCP is captured, and DNS"
)]
#[case(
    "outbound/passthrough-source",
    "{}",
    Flow { source: "::6".parse().ok(), ..tcp("[fd00::2]:80", SIDECAR) },
    "source ::6 is the sidecar calling its own application; captured, it would loop"
)]
#[case(
    "outbound/sidecar-to-self",
    "{inbound: {port: 15106}}",
    tcp("10.0.0.2:80", SIDECAR),
    "the sidecar calls this host: through inbound port 15106, so that inbound policies apply"
)]
#[case(
    "outbound/app-to-self",
    "{}",
    tcp("10.0.0.2:80", APP),
    "it stays on this host, and its owner is not the sidecar"
)]
#[case(
    "outbound/sidecar",
    "{inbound: {enabled: false, port: 0}}",
    tcp("10.0.0.2:80", SIDECAR),
    "the sidecar calls this host, and there is no inbound port to send that to"
)]
#[case(
    "outbound/sidecar",
    "{inbound: {enabled: false, port: 0}}",
    tcp("10.9.9.9:80", SIDECAR),
    "what the sidecar (uid 5678) sends leaves untouched; captured, it would loop"
)]
#[case(
    "inbound/captured",
    "{}",
    from_outside("10.0.0.2:80"),
    "arriving TCP connections go through the sidecar"
)]
#[case(
    "inbound/forwarded",
    "{}",
    from_outside("10.5.5.5:80"),
    "it is not for an address of this host, and forwarded connections are captured, too"
)]
#[case("inbound/off", "{inbound: {enabled: false}}", from_outside("10.0.0.2:80"), "inbound capture is off")]
#[case("inbound/not-tcp", "{}", udp_from_outside("10.0.0.2:53"), "only TCP is captured, and DNS")]
#[case(
    "inbound/not-tcp",
    "{vnet: {VNETS}}",
    by("br0", udp_from_outside("10.5.5.5:53")),
    "DNS queries are not captured"
)]
#[case(
    "inbound/excluded-port",
    "{inbound: {excludePorts: [22]}}",
    from_outside("10.0.0.2:22"),
    "port 22 is excluded (excluded: 22)"
)]
#[case(
    "inbound/included-port",
    "{inbound: {includePorts: [22]}}",
    from_outside("10.0.0.2:22"),
    "port 22 is included (included: 22)"
)]
#[case(
    "inbound/not-included-port",
    "{inbound: {includePorts: [22]}}",
    from_outside("10.0.0.2:23"),
    "port 23 is not included (included: 22)"
)]
#[case(
    "inbound/excluded-source",
    "{inbound: {excludePortsForIPs: [10.9.0.0/16]}}",
    from_outside("10.0.0.2:80"),
    "its source address is excluded"
)]
#[case(
    "inbound/excluded-interface",
    "{inbound: {excludeInterfaces: [eth1]}}",
    by("eth1", from_outside("10.0.0.2:80")),
    "it arrives on an excluded interface"
)]
#[case(
    "inbound/vnet-tcp",
    "{vnet: {VNETS}}",
    by("br0", from_outside("10.5.5.5:80")),
    "it leaves a virtual network whose outgoing connections are captured"
)]
#[case(
    "inbound/vnet-dns",
    "{dns: {enabled: true}, vnet: {VNETS}}",
    by("br0", udp_from_outside("10.5.5.5:53")),
    "DNS queries from this virtual network are captured"
)]
fn the_sentence_says_what_decided(
    #[case] line: &str,
    #[case] redirect: &str,
    #[case] flow: Flow,
    #[case] why: &str,
) {
    let redirect = redirect.replace("VNETS", VNETS);
    let explanation = plan(&format!("redirect: {redirect}")).explain(&flow);
    assert_eq!((explanation.decision.line.name(), explanation.why.as_str()), (line, why));
}
