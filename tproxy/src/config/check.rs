//! Rules that concern more than one setting.
//!
//! Must never look at the host: what depends on it is decided when the plan is made.

use super::layers::Resolved;
use super::ports::Port;
use super::problem::{Origin, Problem, Problems};
use super::written::Item;
use super::{BackendChoice, ProgramSet, Redirect};
use crate::diagnostic::shortened;

/// Settings that others imply get their values, and settings that do not count get a word.
pub(super) fn complete(resolved: &mut Resolved) {
    capture_all(resolved);
    if resolved.config.ebpf.enabled && resolved.config.backend == BackendChoice::Auto {
        resolved.config.backend = BackendChoice::Ebpf;
        resolved.adopt("backend", "ebpf.enabled");
    }
    if resolved.config.backend == BackendChoice::Ebpf && resolved.origin("ebpf.enabled") == Origin::Default {
        resolved.config.ebpf.enabled = true;
        resolved.adopt("ebpf.enabled", "backend");
    }
    for (name, direction) in [("inbound", &resolved.config.inbound), ("outbound", &resolved.config.outbound)]
    {
        if !direction.include_ports.is_empty() && !direction.exclude_ports.is_empty() {
            let key = format!("redirect.{name}.excludePorts");
            resolved.warnings.push(format!("{key} does not count beside redirect.{name}.includePorts"));
        }
    }
}

/// Capturing all queries captures queries (Kuma behaviour), whoever turned that off; where both are flags it is refused.
fn capture_all(resolved: &mut Resolved) {
    const ENABLED: &str = "redirect.dns.enabled";
    const CAPTURE_ALL: &str = "redirect.dns.captureAll";
    let dns = &mut resolved.config.dns;
    if dns.enabled || !dns.capture_all {
        return;
    }
    dns.enabled = true;
    if is_flag(resolved, ENABLED) && is_flag(resolved, CAPTURE_ALL) {
        return;
    }
    let (off, on) = (resolved.origin(ENABLED), resolved.origin(CAPTURE_ALL));
    if off != Origin::Default {
        resolved.warnings.push(format!(
            "{ENABLED} `false` ({off}) does not count beside {CAPTURE_ALL} `true` ({on}), which captures all DNS \
             queries; turn both off to capture none"
        ));
    }
    resolved.adopt(ENABLED, CAPTURE_ALL);
}

/// All that is wrong with the configuration as a whole.
pub(super) fn whole(resolved: &Resolved) -> Problems {
    let mut problems = Problems::default();
    for rule in
        [missing_ports, colliding_ports, both_dns_flags, inbound_uids, backends, partial_programs, chains]
    {
        rule(resolved, &mut problems);
    }
    problems
}

fn is_flag(resolved: &Resolved, key: &str) -> bool {
    matches!(resolved.origin(key), Origin::Flag(_))
}

/// Of two values that collide, one that somebody wrote is to blame, never a default.
fn is_written(resolved: &Resolved, key: &str) -> bool {
    resolved.origin(key) != Origin::Default
}

fn blame(resolved: &Resolved, key: &'static str, message: impl Into<String>) -> Problem {
    Problem::new(resolved.origin(key), key, message)
}

/// A port of 0 stands for none, which something that is on cannot have.
fn missing_ports(resolved: &Resolved, problems: &mut Problems) {
    let config = &resolved.config;
    let users = [
        ("redirect.inbound.port", config.inbound.port, config.inbound.enabled, "inbound capture"),
        ("redirect.outbound.port", config.outbound.port, config.outbound.enabled, "outbound capture"),
        ("redirect.outbound.port", config.outbound.port, !config.vnets.is_empty(), "a virtual network"),
        ("redirect.dns.port", config.dns.port, config.dns.enabled, "DNS capture"),
    ];
    for (key, _, _, user) in users.into_iter().filter(|(_, port, needed, _)| port.is_none() && *needed) {
        let message = format!("`0` is not a port from 1 to 65535, which {user} needs");
        problems.push(blame(resolved, key, message));
    }
}

/// All listeners belong to one sidecar, which listens on the DNS port with TCP, too (Kuma behaviour).
fn colliding_ports(resolved: &Resolved, problems: &mut Problems) {
    let config = &resolved.config;
    let dns = config.dns.port.filter(|_| config.dns.enabled);
    let listeners: [(&'static str, &str, Option<Port>); 3] = [
        ("redirect.inbound.port", "inbound", config.inbound.port),
        ("redirect.outbound.port", "outbound", config.outbound.port),
        ("redirect.dns.port", "DNS", dns),
    ];
    for (index, (key, name, port)) in listeners.iter().enumerate() {
        for (other_key, other_name, other_port) in listeners.iter().take(index) {
            let Some(port) = port.filter(|port| Some(*port) == *other_port) else { continue };
            let (key, name) = if is_written(resolved, key) { (key, other_name) } else { (other_key, name) };
            let message = format!("`{port}` is the {name} port, too; give each a port of its own");
            problems.push(blame(resolved, key, message));
        }
    }
}

/// Each flag alone says which queries to capture. In files capture-all wins (Kuma behaviour).
fn both_dns_flags(resolved: &Resolved, problems: &mut Problems) {
    let own = resolved.origin("redirect.dns.enabled") == Origin::Flag("redirect-dns".to_owned());
    if own && is_flag(resolved, "redirect.dns.captureAll") && resolved.config.dns.capture_all {
        let message = "`true` cannot stand beside --redirect-dns; give only one of the two";
        problems.push(blame(resolved, "redirect.dns.captureAll", message));
    }
}

/// Nobody on this host owns an arriving connection. (Kuma's rule for it turns inbound capture off.)
fn inbound_uids(resolved: &Resolved, problems: &mut Problems) {
    if let Some(exclusion) = resolved.config.inbound.exclude_uids.first() {
        let message = format!(
            "`{}` cannot be honoured: arriving connections have no user of this host; \
             exclude ports, networks or interfaces instead",
            shortened(&exclusion.to_string())
        );
        let key = "redirect.inbound.excludePortsForUIDs";
        let origin = resolved.origin_of_item(key, Some(&Item::Text(exclusion.to_string())));
        problems.push(Problem::new(origin, key, message));
    }
}

/// `ebpf.enabled` and `backend` say the same thing twice.
fn backends(resolved: &Resolved, problems: &mut Problems) {
    let config = &resolved.config;
    if config.ebpf.enabled != (config.backend == BackendChoice::Ebpf) {
        let message = format!(
            "`{}` and ebpf.enabled `{}` ({}) disagree; give only one of the two",
            config.backend,
            config.ebpf.enabled,
            resolved.origin("ebpf.enabled")
        );
        problems.push(blame(resolved, "backend", message));
    }
}

/// A family's programs must be of one flavour, so they are all given or all found.
fn partial_programs(resolved: &Resolved, problems: &mut Problems) {
    let executables = &resolved.config.iptables_executables;
    for (set, base) in [(&executables.ipv4, "iptables"), (&executables.ipv6, "ip6tables")] {
        let missing = missing(set, base);
        if !missing.is_empty() && missing.len() < 3 {
            let names = ["", "-save", "-restore"].map(|suffix| format!("iptablesExecutables.{base}{suffix}"));
            let origin = names
                .iter()
                .map(|key| resolved.origin(key))
                .find(|origin| *origin != Origin::Default)
                .unwrap_or_else(|| resolved.origin("iptablesExecutables"));
            let message = format!("a family's three programs go together; missing: {}", missing.join(", "));
            problems.push(Problem::new(origin, "iptablesExecutables", message));
        }
    }
}

fn missing(set: &ProgramSet, base: &str) -> Vec<String> {
    [(&set.base, ""), (&set.save, "-save"), (&set.restore, "-restore")]
        .into_iter()
        .filter(|(path, _)| path.is_none())
        .map(|(_, suffix)| format!("{base}{suffix}"))
        .collect()
}

/// Each of our chains needs a name of its own.
fn chains(resolved: &Resolved, problems: &mut Problems) {
    let names = |direction: &Redirect| [direction.chain.clone(), direction.redirect_chain.clone()];
    let [inbound, inbound_redirect] = names(&resolved.config.inbound);
    let [outbound, outbound_redirect] = names(&resolved.config.outbound);
    let chains = [
        ("redirect.inbound.chainName", inbound),
        ("redirect.inbound.redirectChainName", inbound_redirect),
        ("redirect.outbound.chainName", outbound),
        ("redirect.outbound.redirectChainName", outbound_redirect),
    ];
    for (index, (key, name)) in chains.iter().enumerate() {
        if let Some((other, _)) = chains.iter().take(index).find(|(_, other)| other == name) {
            let (key, other) = if is_written(resolved, key) { (key, other) } else { (other, key) };
            let message = format!("`{}` is the name of {other}, too; give each chain its own", name.as_str());
            problems.push(blame(resolved, key, message));
        }
    }
}
