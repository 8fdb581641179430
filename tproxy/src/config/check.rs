//! Rules that concern more than one setting.
//!
//! Must never look at the host: what depends on it is decided when the plan is made.

use super::ProgramSet;
use super::layers::Resolved;
use super::problem::{Problem, Problems};

/// All that is wrong with the configuration as a whole.
pub(super) fn whole(resolved: &Resolved) -> Problems {
    let mut problems = Problems::default();
    colliding_ports(resolved, &mut problems);
    partial_programs(resolved, &mut problems);
    problems
}

/// Both listeners belong to one sidecar, so they cannot share a port.
fn colliding_ports(resolved: &Resolved, problems: &mut Problems) {
    let (inbound, outbound) = (resolved.config.inbound.port, resolved.config.outbound.port);
    if inbound != outbound {
        return;
    }
    // Blame the side that the user moved.
    let (key, other) = match resolved.origin("redirect.outbound.port") {
        super::problem::Origin::Default => ("redirect.inbound.port", "outbound"),
        _ => ("redirect.outbound.port", "inbound"),
    };
    let message = format!("`{inbound}` is the {other} port, too; give each direction a port of its own");
    problems.push(Problem::new(resolved.origin(key), key, message));
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
                .find(|origin| *origin != super::problem::Origin::Default)
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
