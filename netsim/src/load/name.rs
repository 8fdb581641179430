//! Names of cases: `LOAD/DIRECTION/WAY`, and behind that what is not usual, as in
//! `connections/outbound/iptables-nft/10000-exclusions`.

use tproxy::family::IpFamily;

use super::case::{BACKENDS, Case, Direction, LARGEST_MTU, Load, Way};

const DIRECTIONS: [Direction; 3] = [Direction::Outbound, Direction::Inbound, Direction::Whole];
/// More would need more descriptors than a process may have.
const MOST_CLIENTS: usize = 1_000;
/// tproxy takes more; building the list is what takes long then.
const MOST_EXCLUSIONS: usize = 100_000;
/// What a case over IPv6 has behind its name; the others are over IPv4.
const IPV6: &str = "ipv6";
/// What IPv6 needs (RFC 8200, section 5).
const LEAST_MTU: u32 = 1_280;

fn load(load: Load) -> &'static str {
    match load {
        Load::Connections => "connections",
        Load::RoundTrips => "round-trips",
        Load::Bulk => "bulk",
        Load::Queries => "queries",
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
        Direction::Whole => "whole",
    }
}

fn way(way: Way) -> String {
    match way {
        Way::Direct => "direct".to_owned(),
        Way::Straight => "straight".to_owned(),
        Way::Captured(backend) => backend.to_string(),
        Way::Own(backend) => format!("{backend}-sidecar"),
    }
}

fn ways() -> impl Iterator<Item = Way> {
    let with_backend = BACKENDS.into_iter().flat_map(|backend| [Way::Captured(backend), Way::Own(backend)]);
    [Way::Direct, Way::Straight].into_iter().chain(with_backend)
}

pub(super) fn of(case: Case) -> String {
    let usual = Case::new(case.load, case.direction, case.way);
    let mut name = format!("{}/{}/{}", load(case.load), direction(case.direction), way(case.way));
    if case.clients != usual.clients {
        name.push_str(&format!("/{}-clients", case.clients));
    }
    if case.exclusions > 0 {
        name.push_str(&format!("/{}-exclusions", case.exclusions));
    }
    if case.mtu != usual.mtu {
        name.push_str(&format!("/mtu-{}", case.mtu));
    }
    if case.family != usual.family {
        name.push_str(&format!("/{IPV6}"));
    }
    name
}

pub(super) fn parse(name: &str) -> Result<Case, String> {
    let mut parts = name.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let (first, second, third) = (next(), next(), next());
    let load = Load::ALL.into_iter().find(|one| load(*one) == first);
    let towards = DIRECTIONS.into_iter().find(|one| direction(*one) == second);
    let how = ways().find(|one| way(*one) == third);
    let (Some(load), Some(towards), Some(how)) = (load, towards, how) else {
        return Err(format!("there is no case {name:?}; {}", grammar()));
    };
    let mut case = Case::new(load, towards, how);
    for part in parts {
        unusual(&mut case, part)
            .ok_or_else(|| format!("{part:?} in {name:?} means nothing; {}", grammar()))?;
    }
    match case.impossible() {
        Some(reason) => Err(format!("there is no case {name:?}: {reason}")),
        None => Ok(case),
    }
}

/// Takes in what stands behind the three parts that each name has.
fn unusual(case: &mut Case, part: &str) -> Option<()> {
    let number = |text: &str| text.parse::<usize>().ok();
    if part == IPV6 {
        case.family = IpFamily::V6;
        return Some(());
    }
    if let Some(clients) = part.strip_suffix("-clients") {
        case.clients = number(clients).filter(|clients| (1..=MOST_CLIENTS).contains(clients))?;
    } else if let Some(exclusions) = part.strip_suffix("-exclusions") {
        case.exclusions = number(exclusions).filter(|many| (1..=MOST_EXCLUSIONS).contains(many))?;
    } else {
        let mtu = part.strip_prefix("mtu-")?.parse().ok();
        case.mtu = mtu.filter(|mtu| (LEAST_MTU..=LARGEST_MTU).contains(mtu))?;
    }
    Some(())
}

fn grammar() -> String {
    let ways: Vec<String> = ways().map(way).collect();
    format!(
        "a name is LOAD/DIRECTION/WAY, with {}, with {}, and with {}; behind it may stand N-clients (1 to {MOST_CLIENTS}), \
         N-exclusions (1 to {MOST_EXCLUSIONS}), mtu-N ({LEAST_MTU} to {LARGEST_MTU}) and {IPV6}",
        Load::ALL.map(load).join(", "),
        DIRECTIONS.map(direction).join(", "),
        ways.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::suite::Suite;
    use super::*;

    #[test]
    fn every_case_is_found_by_its_name() {
        for suite in [Suite::Quick, Suite::Full] {
            for case in suite.cases() {
                assert_eq!(Case::parse(&case.to_string()), Ok(case));
            }
        }
    }

    #[test]
    fn a_wrong_name_is_told_with_how_names_are_made() {
        for (name, said) in [
            ("connections/outbound/iptables", "iptables-legacy"),
            ("connections/outbound", "LOAD/DIRECTION/WAY"),
            ("connections/outbound/direct/many", "\"many\""),
            ("connections/outbound/direct/0-clients", "1 to 1000"),
            ("bulk/outbound/direct/mtu-1", "1280 to 65535"),
            ("queries/inbound/direct", "queries go out"),
            ("bulk/inbound/iptables-nft-sidecar", "what the sidecar sends"),
            ("connections/outbound/direct/10-exclusions", "need a backend"),
        ] {
            let told = Case::parse(name).unwrap_err();
            assert!(told.contains(said), "{name}: {told}");
        }
    }
}
