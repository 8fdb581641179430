//! The table of flows that explain makes from a configuration: each flow in it can be, and each exclusion is in it.

use proptest::prelude::*;
use rstest::rstest;
use tproxy::config::Layers;
use tproxy::family::IpFamily;
use tproxy::plan::flow::{Direction, Flow};
use tproxy::plan::matrix::Row;
use tproxy::plan::{self, Plan, Sidecar};

use crate::arbitrary::{Texts, document};
use crate::pod_host::{facts, plan, plan_of};
use crate::verdicts::config;

/// Whether a packet can look like this on the pod.
fn can_be(plan: &Plan, flow: &Flow) -> bool {
    let to = flow.destination.ip();
    let sent = flow.destination.port() != 0 && !to.is_unspecified();
    let source =
        flow.source.is_none_or(|from| !from.is_unspecified() && IpFamily::of(from) == IpFamily::of(to));
    let arrives = flow.direction == Direction::Outbound
        || !to.is_loopback() && flow.source.is_none_or(|source| !plan.host.owns(source));
    let is_loopback = flow.interface.as_deref().map(|name| name == "lo");
    let interface = match flow.direction {
        Direction::Inbound => is_loopback != Some(true),
        Direction::Outbound => is_loopback.is_none_or(|is_loopback| is_loopback == plan.host.owns(to)),
    };
    sent && source && arrives && interface
}

proptest! {
    #[test]
    fn every_flow_of_the_table_can_be(document in document(Texts::Plain)) {
        let (plan, _) = plan(&config(&document));
        for row in plan.matrix() {
            prop_assert!(can_be(&plan, &row.explanation.flow), "{:?}", row);
        }
    }
}

/// The row of the table with this in its first two columns.
fn row(plan: &Plan, from: &str, to: &str) -> Row {
    let mut rows = plan.matrix().into_iter().filter(|row| row.from == from && row.to == to);
    let found = rows.next().unwrap_or_else(|| panic!("no row from {from} to {to} in {:#?}", plan.matrix()));
    assert!(rows.all(|row| row.family != found.family), "several rows from {from} to {to}");
    found
}

const APP: &str = "application (uid 1000)";

#[rstest]
#[case::beside_the_unspecified_address("0.0.0.0/8", "0.0.0.1:8080")]
#[case::everything("0.0.0.0/0", "203.0.113.1:8080")]
#[case::everything_of_ipv6("::/0", "[2001:db8::1]:8080")]
#[case::beside_the_unspecified_address_and_the_hosts_own("::/120", "[::2]:8080")]
#[case::the_hosts_own_network("10.77.0.0/30", "10.77.0.1:8080")]
#[case::a_network("10.8.0.0/16", "10.8.0.1:8080")]
#[case::an_address("10.8.9.9/32", "10.8.9.9:8080")]
#[case::two_addresses("10.8.9.8/31", "10.8.9.8:8080")]
fn an_excluded_network_is_shown_by_an_address_in_it(#[case] network: &str, #[case] destination: &str) {
    let list = format!("{{excludePortsForIPs: [\"{network}\"]}}");
    let plan = plan_of(&format!("redirect: {{inbound: {list}, outbound: {list}}}"));
    let sent = row(&plan, APP, network).explanation;
    assert_eq!(
        (sent.decision.line.name(), sent.flow.destination.to_string().as_str()),
        ("outbound/exclusion", destination)
    );
    let arriving = row(&plan, network, "this host:80").explanation;
    assert_eq!(arriving.decision.line.name(), "inbound/excluded-source");
}

#[rstest]
#[case::of_the_documentation("[2001:db8::/32, 203.0.113.0/24]")]
#[case::of_all_documentation("[2001:db8::/32, 203.0.113.0/24, 198.51.100.0/24, 192.0.2.0/24]")]
#[case::of_half_the_world("[0.0.0.0/1, 192.0.0.0/2, \"2000::/3\"]")]
fn elsewhere_is_outside_every_network_that_something_is_said_of(#[case] networks: &str) {
    let list = format!("{{excludePortsForIPs: {networks}}}");
    let plan = plan_of(&format!("redirect: {{inbound: {list}, outbound: {list}}}"));
    for family in IpFamily::ALL {
        let found = |from: &str, to: &str| {
            let rows = plan.matrix().into_iter();
            let mut rows = rows.filter(|row| row.family == family && row.from == from && row.to == to);
            rows.next().unwrap().explanation.decision.line.name()
        };
        assert_eq!(found(APP, "elsewhere:80"), "outbound/captured");
        assert_eq!(found("elsewhere", "this host:80"), "inbound/captured");
    }
}

#[test]
fn where_everything_is_excluded_elsewhere_is_excluded_too() {
    let plan = plan_of("redirect: {outbound: {excludePortsForIPs: [0.0.0.0/0, \"::/0\"]}}");
    assert_eq!(row(&plan, APP, "elsewhere:80").explanation.decision.line.name(), "outbound/exclusion");
}

#[test]
fn a_name_server_outside_the_documentation_is_no_other_name_server() {
    let facts = facts("nameserver 203.0.113.1\n");
    let resolved = Layers::default().file("f", "redirect: {dns: {enabled: true}}").resolve().unwrap();
    let (plan, _) = plan::resolve(&resolved.config, &facts, Sidecar::MustExist).unwrap();
    assert_eq!(row(&plan, APP, "other name server").explanation.decision.line.name(), "outbound/not-tcp");
}

#[test]
fn invalid_packets_have_a_row_where_they_are_dropped() {
    let plan = plan_of("dropInvalidPackets: true");
    let invalid = row(&plan, "elsewhere, invalid", "this host:80").explanation;
    assert_eq!(invalid.decision.line.name(), "inbound/invalid");
    assert!(plan_of("{}").matrix().iter().all(|row| row.from != "elsewhere, invalid"));
}

#[test]
fn what_is_forwarded_has_a_row() {
    let forwarded = row(&plan_of("{}"), "elsewhere", "another host:8080").explanation;
    assert_eq!(forwarded.decision.line.name(), "inbound/forwarded");
    assert_ne!(Some(forwarded.flow.destination.ip()), forwarded.flow.source);
}

#[rstest]
#[case::excluded("excludePorts: [22, 53, 80, 443]", ["outbound/captured", "inbound/captured"])]
#[case::included("includePorts: [22, 53, 80, 443]", ["outbound/not-included-port", "inbound/not-included-port"])]
fn a_port_that_is_in_no_list_is_shown(#[case] list: &str, #[case] lines: [&str; 2]) {
    let plan = plan_of(&format!("redirect: {{inbound: {{{list}}}, outbound: {{{list}}}}}"));
    let sent = row(&plan, APP, "elsewhere:8080").explanation;
    let arriving = row(&plan, "elsewhere", "this host:8080").explanation;
    assert_eq!([sent.decision.line.name(), arriving.decision.line.name()], lines);
}

#[test]
fn an_excluded_network_is_no_matter_of_users() {
    let plan = plan_of("redirect: {outbound: {excludePortsForIPs: [10.8.0.0/16], excludeGIDs: [7]}}");
    let senders: std::collections::BTreeSet<String> =
        plan.matrix().into_iter().map(|row| row.from).filter(|from| from.starts_with("uid")).collect();
    assert_eq!(senders.into_iter().collect::<Vec<_>>(), ["uid 1000, gid 7"]);
}

#[test]
fn calls_to_the_host_itself_go_to_a_port_and_an_address_about_which_nothing_else_is_said() {
    let plan = plan_of("redirect: {outbound: {excludePorts: [8080-8082]}}");
    let calls = plan.matrix().into_iter().filter(|row| row.to == "itself");
    let calls: Vec<_> = calls
        .map(|row| (row.explanation.decision.line.name(), row.explanation.flow.destination.to_string()))
        .collect();
    let expected = ["10.77.0.2:8083", "[fd77::2]:8083"].map(|to| {
        ["outbound/app-to-self", "outbound/sidecar-to-self", "outbound/passthrough-source"]
            .map(|line| (line, to.to_owned()))
    });
    assert_eq!(calls, expected.concat());
}

#[test]
fn nothing_is_sent_to_the_unspecified_address_alone() {
    let list = "{excludePortsForIPs: [0.0.0.0/32, \"::/128\"]}";
    let plan = plan_of(&format!("redirect: {{inbound: {list}, outbound: {list}}}"));
    let about = |text: &str| plan.matrix().into_iter().any(|row| row.from == text || row.to == text);
    assert!(!about("0.0.0.0/32") && !about("::/128"));
}

#[rstest]
#[case::a_name("eth1", "eth1")]
#[case::a_pattern("wg+", "wg0")]
#[case::a_plus_within_a_name("a+b", "a+b")]
#[case::a_plus_within_a_pattern("a+b+", "a+b0")]
#[case::any("+", "eth0")]
fn an_excluded_interface_is_shown_by_a_name_that_it_stands_for(#[case] pattern: &str, #[case] name: &str) {
    let list = format!("{{excludeInterfaces: [\"{pattern}\"]}}");
    let plan = plan_of(&format!("redirect: {{inbound: {list}, outbound: {list}}}"));
    let leaving = row(&plan, APP, &format!("elsewhere by {name}")).explanation;
    let arriving = row(&plan, &format!("elsewhere by {name}"), "this host:80").explanation;
    assert_eq!(leaving.decision.line.name(), "outbound/excluded-interface");
    assert_eq!(arriving.decision.line.name(), "inbound/excluded-interface");
}

#[test]
fn what_leaves_by_an_excluded_loopback_goes_to_this_host_and_nothing_arrives_by_it() {
    let list = "{excludeInterfaces: [lo]}";
    let plan = plan_of(&format!("redirect: {{inbound: {list}, outbound: {list}}}"));
    let leaving = row(&plan, APP, "itself by lo").explanation;
    assert_eq!(leaving.flow.destination.to_string(), "10.77.0.2:8080");
    assert_eq!(leaving.decision.line.name(), "outbound/excluded-interface");
    assert!(plan.matrix().iter().all(|row| row.from != "elsewhere by lo"));
}

#[test]
fn a_virtual_network_is_shown_by_the_first_of_its_networks_that_has_an_address() {
    let plan = plan_of(
        "redirect: {vnet: {networks: [\"br+:0.0.0.0/32\", \"br+:0.0.0.0/8\", \"br+:fd17::/64\", \"lo:10.5.0.0/16\"]}}",
    );
    let inside = row(&plan, "0.0.0.0/8 by br0", "0.0.0.0/8:80").explanation;
    assert_eq!(
        (inside.flow.destination.to_string().as_str(), inside.decision.line.name()),
        ("0.0.0.1:80", "inbound/forwarded")
    );
    let outside = row(&plan, "0.0.0.0/8 by br0", "elsewhere:80").explanation;
    assert_eq!(outside.decision.line.name(), "inbound/vnet-tcp");
    assert_eq!(
        row(&plan, "fd17::/64 by br0", "fd17::/64:80").explanation.decision.line.name(),
        "inbound/forwarded"
    );
    assert!(plan.matrix().iter().all(|row| !row.from.ends_with("by lo")));
}
