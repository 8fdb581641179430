//! The rules that a policy means, for one family.
//!
//! Each rule's comment is the name of the policy line that it realises. Rules stand in the order of the policy's table;
//! their shape is Kuma's, so that what Kuma's tools expect stays true. Must never put a rule into a built-in chain that
//! is not a jump to a chain of ours.

use super::rule::Rule;
use super::stamp::Stamp;
use super::state::{Chain, Hook, TableState};
use crate::config::ports::{Port, PortRange, Ports};
use crate::family::IpFamily;
use crate::plan::line::Line;
use crate::plan::{Plan, Policy};

const INBOUND: &str = "KUMA_MESH_INBOUND";
const OUTBOUND: &str = "KUMA_MESH_OUTBOUND";
const INBOUND_REDIRECT: &str = "KUMA_MESH_INBOUND_REDIRECT";
const OUTBOUND_REDIRECT: &str = "KUMA_MESH_OUTBOUND_REDIRECT";

/// Our part of the nat table.
pub(super) fn nat(plan: &Plan, family: IpFamily, stamp: Stamp) -> TableState {
    let policy = &plan.policy;
    let hook = |chain: &str, target: &str| Hook {
        chain: chain.to_owned(),
        position: None,
        rule: Rule::new(&format!("-p tcp -j {target}")).commented(&stamp.text()),
    };
    TableState {
        table: "nat".to_owned(),
        chains: vec![
            chain(INBOUND, inbound(policy)),
            chain(OUTBOUND, outbound(policy, family, &plan.host.loopback)),
            chain(INBOUND_REDIRECT, policy.inbound.port.map(redirect).into_iter().collect()),
            chain(OUTBOUND_REDIRECT, vec![redirect(policy.outbound.port)]),
        ],
        hooks: vec![hook("PREROUTING", INBOUND), hook("OUTPUT", OUTBOUND)],
    }
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain { name: name.to_owned(), rules }
}

fn redirect(port: Port) -> Rule {
    Rule::new(&format!("-p tcp -j REDIRECT --to-ports {port}"))
}

fn line(line: Line, text: &str) -> Rule {
    Rule::new(text).commented(line.name())
}

fn each_port(ports: &Ports, from: Line, target: &str) -> Vec<Rule> {
    ports
        .ranges()
        .map(|range| line(from, &format!("-p tcp -m tcp --dport {} -j {target}", dport(range))))
        .collect()
}

/// As iptables-save prints it: `80`, or `8000:8999`.
fn dport(range: PortRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}:{}", range.first, range.last)
    }
}

fn inbound(policy: &Policy) -> Vec<Rule> {
    let inbound = &policy.inbound;
    if !inbound.enabled {
        return vec![line(Line::InboundOff, "-p tcp -j RETURN")];
    }
    if !inbound.include_ports.is_empty() {
        return each_port(&inbound.include_ports, Line::InboundIncludedPort, INBOUND_REDIRECT);
    }
    let mut rules = each_port(&inbound.exclude_ports, Line::InboundExcludedPort, "RETURN");
    rules.push(line(Line::InboundCaptured, &format!("-p tcp -j {INBOUND_REDIRECT}")));
    rules
}

fn outbound(policy: &Policy, family: IpFamily, lo: &str) -> Vec<Rule> {
    let outbound = &policy.outbound;
    if !outbound.enabled {
        return vec![line(Line::OutboundOff, "-p tcp -j RETURN")];
    }
    let (uid, prefix) = (policy.sidecar_uid, family.host_prefix());
    let (localhost, passthrough) = (family.localhost(), family.passthrough());
    let mut rules = Vec::new();
    if outbound.include_ports.is_empty() {
        rules.extend(each_port(&outbound.exclude_ports, Line::OutboundExcludedPort, "RETURN"));
    }
    rules.extend([
        line(Line::OutboundPassthroughSource, &format!("-s {passthrough}/{prefix} -o {lo} -j RETURN")),
        line(
            Line::OutboundSidecarToSelf,
            &format!(
                "! -d {localhost}/{prefix} -o {lo} -p tcp -m owner --uid-owner {uid} -j {INBOUND_REDIRECT}"
            ),
        ),
        line(Line::OutboundAppToSelf, &format!("-o {lo} -p tcp -m owner ! --uid-owner {uid} -j RETURN")),
        line(Line::OutboundSidecar, &format!("-m owner --uid-owner {uid} -j RETURN")),
        line(Line::OutboundLocalhost, &format!("-d {localhost}/{prefix} -j RETURN")),
    ]);
    if outbound.include_ports.is_empty() {
        rules.push(line(Line::OutboundCaptured, &format!("-j {OUTBOUND_REDIRECT}")));
    } else {
        rules.extend(each_port(&outbound.include_ports, Line::OutboundCaptured, OUTBOUND_REDIRECT));
    }
    rules
}
