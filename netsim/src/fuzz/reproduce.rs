//! A failure as a scenario file.
//!
//! Pure. Must never leave out anything of the world that the flow could depend on.

use std::fmt::Write;

use super::Failure;
use super::judge::Mismatch;
use super::world::{self, Claim, Sender, Shot, Transport};
use crate::scenario::POD;
use crate::topology::{IpFamily, Topology};

/// The file's text.
pub(super) fn scenario(failure: &Failure, topology: &Topology) -> String {
    let family = IpFamily::of(failure.shot.to.ip());
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# {}", failure.mismatch);
    let _ = writeln!(text, "# case {} of seed {}, {}", failure.case, failure.seed, failure.backend);
    let _ = writeln!(text, "version: 1\nname: a flow goes where the options say\ntopology:");
    for line in world::LAYOUT.lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "sysctls:\n  pod: {{ {} }}", sysctls());
    let _ = writeln!(text, "only: {{ families: [{family}], because: the flow is of this family }}");
    if let Some(identity) = failure.shot.from.identity() {
        let name = failure.shot.from.name();
        let _ = writeln!(text, "users: {{ {name}: {{ uid: {}, gid: {} }} }}", identity.uid, identity.gid);
    }
    text.push_str(&failure.options.yaml(""));
    let _ = writeln!(text, "expect:\n  - {{ {} }}", expectation(failure, topology));
    text
}

fn sysctls() -> String {
    world::SYSCTLS.map(|(_, key, value)| format!("{key}: {value}")).join(", ")
}

fn expectation(failure: &Failure, topology: &Topology) -> String {
    let Failure { shot, .. } = failure;
    let source = shot.source.map_or_else(String::new, |source| format!(", source: \"{source}\""));
    let reaches = reaches(failure, topology);
    let from = shot.from.name();
    if shot.transport == Transport::Udp && shot.to.port() == 53 {
        let server = shot.to.ip();
        return format!("from: {from}, ask: example.mesh, server: \"{server}\"{source}, reaches: {reaches}");
    }
    let protocol = if shot.transport == Transport::Udp { ", protocol: udp" } else { "" };
    format!("from: {from}, to: \"{}\"{protocol}{source}, reaches: {reaches}", shot.to)
}

/// Where the flow was expected to end, in the words of the schema.
fn reaches(failure: &Failure, topology: &Topology) -> String {
    let shot = &failure.shot;
    let is_query = shot.transport == Transport::Udp && shot.to.port() == 53;
    let expected = match &failure.mismatch {
        Mismatch::Claim { says, .. } => Some(*says),
        _ => failure.expected,
    };
    match expected {
        Some(Claim::Passes) => passed(shot, is_query, topology),
        Some(Claim::Redirected(port)) => listener(port).to_owned(),
        None => "unanswered".to_owned(),
    }
}

fn passed(shot: &Shot, is_query: bool, topology: &Topology) -> String {
    let home = match shot.from {
        Sender::Local(_) => POD,
        Sender::Node(node) => node,
    };
    match topology.owner(shot.to.ip()).unwrap_or(home) {
        POD if is_query => "resolver".to_owned(),
        POD => "app".to_owned(),
        "peer" if is_query => "nameserver".to_owned(),
        node => node.to_owned(),
    }
}

fn listener(port: u16) -> &'static str {
    match port {
        port if world::INBOUND.contains(&port) => "sidecar-inbound",
        port if world::QUERIES.contains(&port) => "sidecar-dns",
        _ => "sidecar-outbound",
    }
}
