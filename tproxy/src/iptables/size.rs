//! How many rules the lists of a plan mean, known before any is made.
//!
//! Must never decide what a rule says: it counts what `rules` writes.

use super::rules;
use crate::family::IpFamily;
use crate::plan::flow::Protocol;
use crate::plan::{Exclusion, Plan, Policy};

/// So many rules are made of lists at most, those of both families together: rules and the texts that load them stay
/// at about 64 MiB. The programs that load them take three times as much, and some seconds.
pub const MOST: usize = 100_000;

/// A list of the configuration, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    key: &'static str,
    items: usize,
    rules: usize,
}

/// The key of the list that most rules are made of, and what is wrong with it, where they are more than [`MOST`].
pub(super) fn excess(plan: &Plan) -> Option<(&'static str, String)> {
    let lists = lists(plan);
    let rules: usize = lists.iter().map(|list| list.rules).sum();
    let largest = lists.into_iter().max_by_key(|list| list.rules).filter(|_| rules > MOST)?;
    let reason = format!(
        "has {} items, and with them {rules} rules would be made, more than the {MOST} that tproxy installs; give fewer, \
         or join them: ids to ranges like 1000-1999, addresses to networks",
        largest.items
    );
    Some((largest.key, reason))
}

fn lists(plan: &Plan) -> Vec<List> {
    let families: Vec<Family> = plan.policy.families.iter().map(|family| Family::of(plan, *family)).collect();
    outbound(plan, &families).into_iter().chain(others(plan, &families)).collect()
}

fn list(key: &'static str, rules: impl Iterator<Item = usize>) -> List {
    rules.fold(List { key, items: 0, rules: 0 }, |list, rules| List {
        items: list.items + 1,
        rules: list.rules + rules,
        ..list
    })
}

fn all(families: &[Family], rules: impl Fn(&Family) -> usize) -> usize {
    families.iter().map(rules).sum()
}

/// Exclusions of what is sent.
fn outbound(plan: &Plan, families: &[Family]) -> [List; 4] {
    let outbound = &plan.policy.outbound;
    let of_owners = |is: fn(&Exclusion) -> bool| {
        let exclusions = outbound.exclusions.iter().filter(move |one| is(one));
        exclusions.map(|one| all(families, |family| family.owner(one)))
    };
    let networks = outbound.exclusions.iter().filter_map(|one| one.network);
    let of_networks = networks
        .map(|network| all(families, |family| family.if_own(IpFamily::of(network.addr()), family.network)));
    let of_interfaces = outbound
        .exclude_interfaces
        .iter()
        .map(|_| all(families, |family| family.connections + family.queries));
    [
        list("redirect.outbound.excludePortsForUIDs", of_owners(|one| one.uids.is_some())),
        list("redirect.outbound.excludeGIDs", of_owners(|one| one.gids.is_some())),
        list("redirect.outbound.excludePortsForIPs", of_networks),
        list("redirect.outbound.excludeInterfaces", of_interfaces),
    ]
}

/// Exclusions of what arrives, virtual networks and name servers.
fn others(plan: &Plan, families: &[Family]) -> [List; 4] {
    let Policy { inbound, vnets, dns, .. } = &plan.policy;
    let of_sources = inbound
        .exclude_sources
        .iter()
        .map(|network| all(families, |family| family.if_own(IpFamily::of(network.addr()), family.arriving)));
    let of_interfaces = inbound.exclude_interfaces.iter().map(|_| all(families, |family| family.arriving));
    let of_vnets = vnets.iter().map(|vnet| {
        all(families, |family| {
            let is_own = |network: &&ipnet::IpNet| IpFamily::of(network.addr()) == family.family;
            match vnet.networks.iter().filter(is_own).count() {
                0 => 0,
                networks => networks + 1 + usize::from(family.queries > 0),
            }
        })
    });
    let servers = dns.iter().filter_map(|dns| dns.servers.as_ref()).flatten();
    let of_servers =
        servers.map(|server| all(families, |family| family.if_own(IpFamily::of(*server), family.queries)));
    [
        list("redirect.inbound.excludePortsForIPs", of_sources),
        list("redirect.inbound.excludeInterfaces", of_interfaces),
        list("redirect.vnet.networks", of_vnets),
        list("redirect.dns.resolvConfigPath", of_servers),
    ]
}

/// In how many chains of a family something is written.
struct Family {
    family: IpFamily,
    /// What is about arriving connections.
    arriving: usize,
    /// What is about outgoing connections.
    connections: usize,
    /// What is about queries.
    queries: usize,
    /// An excluded destination.
    network: usize,
}

impl Family {
    fn of(plan: &Plan, family: IpFamily) -> Self {
        let Policy { inbound, outbound, .. } = &plan.policy;
        let dns = plan.policy.dns_of(family);
        let queries = dns.map_or(0, |_| 1 + usize::from(plan.iptables.conntrack_zones));
        let connections = usize::from(outbound.enabled);
        let captures_all = dns.is_some_and(|dns| dns.servers.is_none());
        Self {
            family,
            arriving: usize::from(inbound.enabled),
            connections,
            queries,
            network: connections + if captures_all { queries } else { 0 },
        }
    }

    fn if_own(&self, family: IpFamily, rules: usize) -> usize {
        if self.family == family { rules } else { 0 }
    }

    fn owner(&self, exclusion: &Exclusion) -> usize {
        let tcp = exclusion.protocol.is_none_or(|protocol| protocol == Protocol::Tcp);
        let udp = exclusion.protocol.is_none_or(|protocol| protocol == Protocol::Udp);
        let queries = udp && (exclusion.ports.is_empty() || exclusion.ports.contains(53));
        let matches = rules::matches_of(&exclusion.ports).max(1);
        (if tcp { self.connections * matches } else { 0 }) + if queries { self.queries } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Layers;
    use crate::host::resolv_conf::Resolver;
    use crate::host::{HostFacts, Users};
    use crate::iptables::state::TableState;
    use crate::plan::{self, Sidecar};

    fn plan(yaml: &str) -> Plan {
        let servers = ["10.0.0.53", "fd00::53"].map(|server| server.parse().unwrap());
        let facts = HostFacts {
            users: Users::named([("kuma-dp", 5678)]),
            loopback: "lo".to_owned(),
            addresses: Vec::new(),
            without_ipv6: None,
            resolver: Resolver { servers: servers.into(), unusable: Vec::new() },
        };
        let config = Layers::default().file("f", yaml).resolve().unwrap().config;
        plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
    }

    /// The rules that are really made.
    fn made(plan: &Plan) -> usize {
        let tables = plan.policy.families.iter().flat_map(|family| rules::tables(plan, *family));
        tables
            .map(|table: TableState| table.chains.iter().map(|chain| chain.rules.len()).sum::<usize>())
            .sum()
    }

    fn counted(plan: &Plan) -> usize {
        lists(plan).iter().map(|list| list.rules).sum()
    }

    proptest! {
        #[test]
        fn as_many_rules_are_counted_as_are_made(
            users in vec("((tcp:|udp:|)(53:|80,443:|1-9,11,13,15,17,19,21,23,25,27,29,31,33,35:)|)[1-9]", 0..6),
            groups in vec(1..9_u32, 0..6),
            networks in vec("(10\\.[1-9]\\.1\\.1|fd00::[1-9])", 0..6),
            interfaces in vec("eth[1-9]", 0..4),
            vnets in vec("br[1-9]:(10\\.[1-9]\\.1\\.0/24|fd00:[1-9]::/64)", 0..4),
            dns in prop::sample::select(vec!["{}", "{enabled: true}", "{captureAll: true}", "{captureAll: true, skipConntrackZoneSplit: true}"]),
            off in prop::sample::select(vec!["inbound", "outbound", "dns"]),
            mode in prop::sample::select(vec!["ipv4", "dualstack"]),
        ) {
            let with = |lists: bool| {
                let list = |items: Vec<String>| if lists { format!("{items:?}") } else { "[]".to_owned() };
                let (users, networks) = (list(users.clone()), list(networks.clone()));
                let (interfaces, vnets) = (list(interfaces.clone()), list(vnets.clone()));
                let groups = list(groups.iter().map(ToString::to_string).collect());
                let enabled = |section: &str| section != off;
                plan(&format!(
                    "ipFamilyMode: {mode}\nredirect: {{dns: {dns}, vnet: {{networks: {vnets}}}, \
                     inbound: {{enabled: {}, excludePortsForIPs: {networks}, excludeInterfaces: {interfaces}}}, \
                     outbound: {{enabled: {}, excludePortsForIPs: {networks}, excludeInterfaces: {interfaces}, \
                     excludePortsForUIDs: {users}, excludeGIDs: {groups}}}}}",
                    enabled("inbound"), enabled("outbound")
                ))
            };
            let (full, bare) = (with(true), with(false));
            let of_lists = made(&full) - made(&bare);
            // Networks in one another, or the same twice, are one rule; so the count may be higher, never lower.
            prop_assert!(counted(&full) >= counted(&bare) + of_lists, "{} {}", counted(&full), of_lists);
            let twice = 6 * 3 + 4;
            prop_assert!(counted(&full) <= counted(&bare) + of_lists + twice);
        }
    }

    #[test]
    fn the_list_that_most_rules_are_made_of_is_named() {
        let users: String = (0..60_000).map(|uid| format!("{};", 2 * uid)).collect();
        let (key, reason) = excess(&plan(&format!(
            "redirect: {{outbound: {{excludePortsForUIDs: \"{users}9\", excludeGIDs: [7]}}}}"
        )))
        .unwrap();
        assert_eq!(key, "redirect.outbound.excludePortsForUIDs");
        assert!(
            reason.starts_with(
                "has 60001 items, and with them 120004 rules would be made, more than the 100000"
            ),
            "{reason}"
        );
        assert_eq!(excess(&plan("redirect: {outbound: {excludeGIDs: [7]}}")), None);
    }
}
