//! What holds of every verdict, whatever the configuration and the flow.

use std::net::{IpAddr, SocketAddr};

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tproxy::config::exclusion::Protocols;
use tproxy::config::{Config, IpFamilyMode, Layers};
use tproxy::plan::Plan;
use tproxy::plan::flow::{ConntrackState, Direction, Flow, Protocol, Verdict};
use tproxy::plan::line::Line;

use crate::arbitrary::{Document, IDS, INTERFACES, PORTS, Texts, document, nested};
use crate::pod_host::{OWN, plan};
use crate::round_trip::{as_flags, as_variables};
use crate::write;

fn address() -> impl Strategy<Value = IpAddr> {
    const NEAR: [&str; 18] = [
        "10.9.9.9",
        "10.77.0.2",
        "10.77.0.53",
        "10.8.8.8",
        "127.0.0.1",
        "127.0.0.6",
        "127.9.9.9",
        "0.0.0.0",
        "172.17.0.9",
        "::ffff:10.77.0.2",
        "fd99::9",
        "fd77::2",
        "fd77::53",
        "::1",
        "::6",
        "::",
        "fe80::1",
        "255.255.255.255",
    ];
    let near = select(&NEAR[..]).prop_map(|text| text.parse().unwrap());
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(IpAddr::from);
    prop_oneof![6 => near, 1 => v4, 1 => v6]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![4 => select(&PORTS[..]), 1 => any::<u16>()]
}

fn id() -> impl Strategy<Value = Option<u32>> {
    option::weighted(0.9, prop_oneof![6 => select(&IDS[..]), 1 => any::<u32>()])
}

fn interface() -> impl Strategy<Value = Option<String>> {
    option::of(select(&INTERFACES[..]).prop_map(str::to_owned))
}

fn flow(direction: impl Strategy<Value = Direction>) -> impl Strategy<Value = Flow> {
    let protocol = select(&[Protocol::Tcp, Protocol::Udp][..]);
    let conntrack = select(&[ConntrackState::New, ConntrackState::New, ConntrackState::Invalid][..]);
    let ends = (option::of(address()), address(), port());
    (direction, protocol, ends, id(), id(), interface(), conntrack).prop_map(
        |(direction, protocol, (source, destination, port), uid, gid, interface, conntrack)| Flow {
            direction,
            protocol,
            source,
            destination: SocketAddr::new(destination, port),
            uid,
            gid,
            interface,
            conntrack,
        },
    )
}

pub(crate) fn outgoing() -> impl Strategy<Value = Vec<Flow>> {
    prop::collection::vec(flow(Just(Direction::Outbound)), 32)
}

pub(crate) fn any_way() -> impl Strategy<Value = Vec<Flow>> {
    prop::collection::vec(flow(select(&[Direction::Inbound, Direction::Outbound][..])), 32)
}

pub(crate) fn config(document: &Document) -> Config {
    let resolved = Layers::default().file("f", nested(document).to_string()).resolve();
    resolved.unwrap_or_else(|problems| panic!("{problems}")).config
}

/// Line 1 of the outbound table, read from the configuration.
fn is_excluded(config: &Config, flow: &Flow) -> bool {
    let (port, to) = (flow.destination.port(), flow.destination.ip());
    let outbound = &config.outbound;
    let uids = outbound.exclude_uids.iter().any(|exclusion| {
        let protocol = match exclusion.protocols {
            Protocols::Both => true,
            Protocols::Tcp => flow.protocol == Protocol::Tcp,
            Protocols::Udp => flow.protocol == Protocol::Udp,
        };
        let user = flow.uid.is_some_and(|uid| (exclusion.uids.first..=exclusion.uids.last).contains(&uid));
        protocol && user && (exclusion.ports.is_empty() || exclusion.ports.contains(port))
    });
    let gids = outbound.exclude_gids.iter();
    let gids =
        flow.gid.is_some_and(|gid| gids.clone().any(|range| (range.first..=range.last).contains(&gid)));
    uids || gids || outbound.exclude_networks.0.iter().any(|network| network.contains(&to))
}

/// Whether the pod has the address: by eth0, or on loopback, where capturing IPv6 puts ::6.
fn is_own(config: &Config, address: IpAddr) -> bool {
    let of_eth0 = OWN.iter().any(|own| own.parse() == Ok(address));
    let added = config.ip_family_mode == IpFamilyMode::DualStack && "::6".parse() == Ok(address);
    address.is_loopback() || of_eth0 || added
}

/// Line 2: by loopback to an own address, whatever was said, else by the interface that was given.
fn leaves_by_excluded_interface(config: &Config, flow: &Flow) -> bool {
    let name = match is_own(config, flow.destination.ip()) {
        true => Some("lo"),
        false => flow.interface.as_deref(),
    };
    name.is_some_and(|name| config.outbound.exclude_interfaces.iter().any(|pattern| pattern.matches(name)))
}

/// Line 8.
fn goes_to_excluded_port(config: &Config, flow: &Flow) -> bool {
    let outbound = &config.outbound;
    let counts = flow.protocol == Protocol::Tcp && outbound.include_ports.is_empty();
    counts && outbound.exclude_ports.contains(flow.destination.port())
}

proptest! {
    #[test]
    fn every_flow_has_a_verdict_and_a_reason(document in document(Texts::Plain), flows in any_way()) {
        let (plan, _) = plan(&config(&document));
        for flow in flows {
            let explanation = plan.explain(&flow);
            prop_assert_eq!(explanation.decision, plan.verdict(&flow));
            prop_assert!(!explanation.why.is_empty());
            let half = if flow.direction == Direction::Inbound { "inbound/" } else { "outbound/" };
            prop_assert!(explanation.decision.line.name().starts_with(half), "{:?}", explanation);
        }
    }

    #[test]
    fn what_matches_lines_1_2_or_8_passes(document in document(Texts::Plain), flows in outgoing()) {
        let config = config(&document);
        let (plan, _) = plan(&config);
        for flow in flows.iter().map(Flow::as_sent) {
            let passes = is_excluded(&config, &flow)
                || leaves_by_excluded_interface(&config, &flow)
                || goes_to_excluded_port(&config, &flow);
            if passes {
                prop_assert_eq!(plan.verdict(&flow).verdict, Verdict::Pass, "{:?}", flow);
            }
        }
    }

    #[test]
    fn what_goes_to_this_host_never_leaves_for_the_outbound_port(
        document in document(Texts::Plain), flows in outgoing(),
    ) {
        let config = config(&document);
        let (plan, _) = plan(&config);
        for flow in flows.iter().filter(|flow| is_own(&config, flow.as_sent().destination.ip())) {
            let decision = plan.verdict(flow);
            prop_assert!(decision.line != Line::OutboundCaptured, "{:?} {:?}", flow, decision);
            let unsaid = Flow { interface: None, ..flow.clone() };
            prop_assert_eq!(decision, plan.verdict(&unsaid), "{:?}", flow);
        }
    }

    #[test]
    fn the_sidecar_is_sent_neither_to_the_outbound_nor_to_the_dns_port(
        document in document(Texts::Plain), flows in outgoing(),
    ) {
        let config = config(&document);
        let (plan, _) = plan(&config);
        for flow in flows {
            let flow = Flow { uid: Some(plan.policy.sidecar_uid), ..flow };
            let decision = plan.verdict(&flow);
            let to_itself = matches!(decision.line, Line::OutboundCaptured | Line::OutboundDns);
            prop_assert!(!to_itself, "{:?} {:?}", flow, decision);
            if let Verdict::Redirect(port) = decision.verdict {
                prop_assert_eq!(Some(port), config.inbound.port, "{:?}", flow);
            }
        }
    }

    #[test]
    fn the_verdict_is_the_same_however_the_configuration_is_written(
        document in document(Texts::Plain), flows in any_way(),
    ) {
        let text = nested(&document);
        let ways = [
            Layers::default().file("yaml", write::yaml(&text)),
            Layers::default().file("json", text.to_string()),
            as_variables(&document),
            as_flags(&document),
        ];
        let plans: Vec<Plan> = ways.into_iter().map(|way| plan(&way.resolve().unwrap().config).0).collect();
        for flow in flows {
            let decisions: Vec<_> = plans.iter().map(|plan| plan.verdict(&flow)).collect();
            prop_assert!(decisions.windows(2).all(|pair| pair[0] == pair[1]), "{:?}: {:?}", flow, decisions);
        }
        prop_assert!(plans.windows(2).all(|pair| pair[0].digest() == pair[1].digest()));
    }
}

/// A property about flows that no flow has holds of itself: each of the lines is met often.
#[test]
fn random_flows_meet_every_line_of_the_policy() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut met = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..1000 {
        let document = document(Texts::Plain).new_tree(&mut runner).unwrap().current();
        let (plan, _) = plan(&config(&document));
        for flow in any_way().new_tree(&mut runner).unwrap().current() {
            *met.entry(plan.verdict(&flow).line.name()).or_default() += 1;
        }
    }
    // All but outbound/localhost, which rules have for packets that no flow describes.
    assert_eq!(met.len(), 29, "{met:#?}");
    assert!(met.values().all(|times| *times >= 5), "{met:#?}");
}
