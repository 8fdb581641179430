//! Whose queries are captured, and who answers queries on this host.
//!
//! Must never decide about a flow: each verdict comes from the policy.

use std::net::{IpAddr, SocketAddr};

use super::case::Case;
use super::evidence::{DnsListener, Evidence};
use super::finding::Finding;
use crate::plan::flow::{Direction, Flow, Protocol, Verdict};
use crate::plan::{Dns, Note};

const DNS: u16 = 53;

pub(super) fn findings(case: &Case, evidence: &Evidence) -> Vec<Finding> {
    let Some(dns) = &case.plan.policy.dns else { return Vec::new() };
    let mut findings = Vec::new();
    if dns.servers.is_some() {
        findings.push(name_servers(case, evidence));
    }
    findings.extend(local_server(case, dns, evidence));
    if dns.servers.is_none() {
        let resolvers = evidence.dns_listeners.iter();
        findings.extend(resolvers.filter_map(|listener| resolver(case, dns, listener)));
    }
    findings
}

/// Where the servers of a file are captured, the file is needed.
fn name_servers(case: &Case, evidence: &Evidence) -> Finding {
    const SUBJECT: &str = "name-servers";
    const ADVICE: &str = "name another file with the key redirect.dns.resolvConfigPath, or capture queries to any \
                          server with --redirect-all-dns-traffic";
    let servers = match &evidence.name_servers {
        Ok(servers) => servers,
        Err(why) => return Finding::missing(SUBJECT, why, ADVICE),
    };
    let left_out = |note: &&Note| matches!(note, Note::UnusableServer { .. } | Note::NoServer(_));
    let notes: Vec<String> = case.notes.iter().filter(left_out).map(ToString::to_string).collect();
    if notes.is_empty() {
        return Finding::works(SUBJECT, format!("queries to {} are captured", listed(servers)));
    }
    Finding::warning(SUBJECT, notes.join("; "), ADVICE)
}

/// A name server on this host: queries to it are captured like any other, and its own may be, too.
fn local_server(case: &Case, dns: &Dns, host: &Evidence) -> Option<Finding> {
    const SUBJECT: &str = "local-name-server";
    let servers = match &host.name_servers {
        Ok(servers) => servers,
        // Where the file is needed, `name-servers` says so.
        Err(_) if dns.servers.is_some() => return None,
        Err(why) => return Some(Finding::unknown(SUBJECT, why, "")),
    };
    let is_captured = |server: &&IpAddr| redirected(case, &query(**server, None));
    let local: Vec<IpAddr> =
        servers.iter().filter(|server| server.is_loopback()).filter(is_captured).copied().collect();
    if local.is_empty() {
        return None;
    }
    let file = case.config.dns.resolv_config_path.as_path().display();
    let evidence = |meaning: &str| {
        format!(
            "{file} names {}, which is this host: queries to it go to port {} before it sees them, and {meaning}",
            listed(&local),
            dns.port
        )
    };
    if dns.servers.is_none() && local.iter().all(|server| asks_freely(case, *server, &host.dns_listeners)) {
        return Some(Finding::works(SUBJECT, evidence("what it asks other servers itself is not captured")));
    }
    let (meaning, advice) = if dns.servers.is_some() {
        (
            "what it asks other servers itself is not captured",
            "let the sidecar ask the servers behind it, or leave DNS capture out if the local server is to answer",
        )
    } else {
        (
            "what it asks other servers itself is captured, too",
            "exclude the user it runs as with --exclude-outbound-ports-for-uids udp:53:<uid>",
        )
    };
    Some(Finding::warning(SUBJECT, evidence(meaning), advice))
}

/// Whether somebody is seen to answer at `server`, and nobody who does asks other servers through the sidecar.
fn asks_freely(case: &Case, server: IpAddr, listeners: &[DnsListener]) -> bool {
    let answers = |address: SocketAddr| {
        address.ip() == server || address.ip().is_unspecified() && (address.is_ipv6() || server.is_ipv4())
    };
    let mut there = listeners.iter().filter(|listener| listener.address.is_some_and(answers)).peekable();
    there.peek().is_some() && there.all(|listener| !is_looped(case, listener.uid))
}

/// Whether what this user asks other servers is captured.
fn is_looped(case: &Case, uid: u32) -> bool {
    case.families().any(|family| redirected(case, &query(family.elsewhere(), Some(uid))))
}

/// Under capture of all queries, a resolver on this host whose own queries come back to it through the sidecar.
fn resolver(case: &Case, dns: &Dns, listener: &DnsListener) -> Option<Finding> {
    let DnsListener { uid, name, address } = listener;
    let is_resolved = name.as_deref() == Some("systemd-resolve") || address.is_some_and(is_stub);
    let who = name.as_ref().map_or_else(|| format!("uid {uid}"), |name| format!("user {name} (uid {uid})"));
    let seen = match address {
        Some(address) => format!("{who} answers queries at {address}"),
        None => format!("{who} exists, and systemd-resolved runs as it where it runs"),
    };
    let subject = if is_resolved { "systemd-resolved".to_owned() } else { format!("local-resolver/{uid}") };
    if is_looped(case, *uid) {
        let meaning = format!(
            "what it asks other servers goes to port {}, and comes back where the sidecar asks it: a loop",
            dns.port
        );
        let advice = format!("exclude its queries with --exclude-outbound-ports-for-uids udp:53:{uid}");
        return Some(Finding::warning(subject, format!("{seen}; {meaning}"), advice));
    }
    // A user alone is worth no word where nothing can go wrong.
    address.map(|_| Finding::works(subject, format!("{seen}; what it asks other servers is not captured")))
}

/// Where systemd-resolved listens (systemd-resolved.service(8)).
fn is_stub(address: SocketAddr) -> bool {
    ["127.0.0.53:53", "127.0.0.54:53"].contains(&address.to_string().as_str())
}

fn query(server: IpAddr, uid: Option<u32>) -> Flow {
    let flow = Flow::new(Direction::Outbound, SocketAddr::new(server, DNS));
    Flow { protocol: Protocol::Udp, uid, ..flow }
}

fn redirected(case: &Case, flow: &Flow) -> bool {
    matches!(case.plan.verdict(flow).verdict, Verdict::Redirect(_))
}

fn listed(servers: &[IpAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
