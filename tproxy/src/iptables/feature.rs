//! What a plan asks of iptables and the kernel, one feature at a time, each as a small rule set that shows it.
//!
//! Who loads such a rule set knows that programs and kernel have the feature; the rules capture nothing of anybody's.
//! Must never say what it means when one is missing: that is for `check`.

use crate::config::interface::VirtualNetwork;
use crate::config::ports::Ports;
use crate::family::IpFamily;
use crate::plan::flow::Protocol;
use crate::plan::{Exclusion, Plan};

/// One feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Stable name.
    pub name: &'static str,
    /// The table of the rules.
    table: &'static str,
    /// Rules that need it, with their command.
    rules: &'static [&'static str],
    /// How to do without it; empty where there is no way.
    pub instead: &'static str,
}

const NEEDED: Feature = Feature { name: "", table: "nat", rules: &[], instead: "" };

// User and group 0 are known in every user namespace, so that anybody can try the rules.
const REDIRECT: Feature = Feature {
    name: "redirect",
    rules: &[
        "-A PREROUTING -p tcp -j REDIRECT --to-ports 15006",
        "-A OUTPUT -p tcp -j REDIRECT --to-ports 15001",
    ],
    ..NEEDED
};
const OWNER: Feature = Feature {
    name: "owner",
    rules: &["-A OUTPUT -o lo -p tcp -m owner ! --uid-owner 0 -j RETURN"],
    ..NEEDED
};
const GROUP: Feature = Feature {
    name: "owner-group",
    rules: &["-A OUTPUT -m owner --gid-owner 0 -j RETURN"],
    instead: "leave --exclude-outbound-gids out",
    ..NEEDED
};
const PORTS: Feature = Feature {
    name: "ports",
    rules: &["-A OUTPUT -p tcp -m tcp --dport 8000:8999 -j RETURN"],
    instead: "leave excluded and included ports out",
    ..NEEDED
};
const SEVERAL_PORTS: Feature = Feature {
    name: "several-ports",
    rules: &["-A OUTPUT -p tcp -m multiport --dports 22,8000:8999 -j RETURN"],
    instead: "give one port or range in each list only",
    ..NEEDED
};
const UDP: Feature = Feature {
    name: "udp",
    rules: &["-A OUTPUT -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053"],
    instead: "leave DNS capture out",
    ..NEEDED
};
const ZONES: Feature = Feature {
    name: "dns-zones",
    table: "raw",
    rules: &["-A OUTPUT -o lo -p udp -m udp --sport 15053 -m owner --uid-owner 0 -j CT --zone 2"],
    instead: "do without conntrack zones with --skip-dns-conntrack-zone-split",
};
const INTERFACES: Feature = Feature {
    name: "interfaces",
    rules: &["-A PREROUTING -i eth+ -p tcp -j RETURN", "-A OUTPUT -o eth+ -p tcp -j RETURN"],
    instead: "leave excluded interfaces and --vnet out",
    ..NEEDED
};
const COMMENT: Feature = Feature {
    name: "comment",
    rules: &["-A OUTPUT -p tcp -m comment --comment kuma/mesh/transparent/proxy/check -j RETURN"],
    instead: "do without comments with --disable-comments",
    ..NEEDED
};
const INVALID: Feature = Feature {
    name: "drop-invalid",
    table: "mangle",
    rules: &["-A PREROUTING -m conntrack --ctstate INVALID -j DROP"],
    instead: "leave --drop-invalid-packets out",
};
const LOG: Feature = Feature {
    name: "log",
    rules: &["-A OUTPUT -j LOG --log-prefix OUTPUT: --log-level 7"],
    instead: "leave --iptables-logs out",
    ..NEEDED
};

/// The features that the rules of `plan` need in one family.
#[must_use]
pub fn needed(plan: &Plan, family: IpFamily) -> Vec<Feature> {
    let (policy, options) = (&plan.policy, &plan.iptables);
    let (inbound, outbound, exclusions) = (&policy.inbound, &policy.outbound, &policy.outbound.exclusions);
    let captures_dns = policy.dns_of(family).is_some();
    let lists =
        [&inbound.include_ports, &inbound.exclude_ports, &outbound.include_ports, &outbound.exclude_ports];
    let has_network =
        |vnet: &VirtualNetwork| vnet.networks.iter().any(|network| IpFamily::of(network.addr()) == family);
    let has_vnet = policy.vnets.iter().any(has_network);
    let has_interfaces = [&inbound.exclude_interfaces, &outbound.exclude_interfaces];
    let has_interfaces = has_interfaces.iter().any(|patterns| !patterns.is_empty());
    let features = [
        (REDIRECT, true),
        (OWNER, true),
        (GROUP, exclusions.iter().any(|one| one.gids.is_some())),
        (PORTS, tcp_ports_of(exclusions).chain(lists).any(|ports| !ports.is_empty())),
        (SEVERAL_PORTS, tcp_ports_of(exclusions).chain(lists).any(|ports| ports.ranges().count() > 1)),
        (UDP, captures_dns),
        (ZONES, captures_dns && options.conntrack_zones),
        (INTERFACES, has_interfaces || has_vnet),
        (COMMENT, options.comments),
        (INVALID, policy.drop_invalid),
        (LOG, options.log_level.is_some()),
    ];
    features.into_iter().filter(|(_, wanted)| *wanted).map(|(feature, _)| feature).collect()
}

/// The ports of exclusions that concern connections: those of queries need no match on ports.
fn tcp_ports_of(exclusions: &[Exclusion]) -> impl Iterator<Item = &Ports> {
    exclusions.iter().filter(|one| one.protocol != Some(Protocol::Udp)).map(|one| &one.ports)
}

impl Feature {
    /// The restore text of its rules.
    #[must_use]
    pub fn text(&self) -> String {
        format!("*{}\n{}\nCOMMIT\n", self.table, self.rules.join("\n"))
    }

    /// Its rules in one line, for people.
    #[must_use]
    pub fn rules(&self) -> String {
        self.rules.iter().map(|rule| format!("`-t {} {rule}`", self.table)).collect::<Vec<_>>().join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Layers;
    use crate::host::resolv_conf::Resolver;
    use crate::host::{HostFacts, Users};
    use crate::plan::{self, Sidecar};

    fn plan(yaml: &str) -> Plan {
        let facts = HostFacts {
            users: Users::named([("kuma-dp", 5678)]),
            loopback: "lo".to_owned(),
            addresses: Vec::new(),
            without_ipv6: None,
            resolver: Resolver { servers: vec!["10.0.0.53".parse().unwrap()], unusable: Vec::new() },
        };
        let config = Layers::default().file("config.yaml", yaml).resolve().unwrap().config;
        plan::resolve(&config, &facts, Sidecar::MustExist).unwrap().0
    }

    #[rstest]
    #[case("", "")]
    #[case("comments: { disabled: true }", "-comment")]
    #[case("redirect: { inbound: { excludePorts: [22] } }", "ports")]
    #[case("redirect: { outbound: { includePorts: [80-90] } }", "ports")]
    #[case("redirect: { outbound: { excludePortsForUIDs: ['tcp:443:1'] } }", "ports")]
    #[case("redirect: { outbound: { excludePorts: [22, 80] } }", "ports several-ports")]
    #[case("redirect: { outbound: { excludePortsForUIDs: ['tcp:443,80:1'] } }", "ports several-ports")]
    #[case("redirect: { outbound: { excludePortsForUIDs: ['udp:53:1'] } }", "")]
    #[case("redirect: { outbound: { excludePortsForUIDs: ['1'] } }", "")]
    #[case("redirect: { outbound: { excludeGIDs: [7] } }", "owner-group")]
    #[case("redirect: { outbound: { excludeInterfaces: [eth1] } }", "interfaces")]
    #[case("redirect: { vnet: { networks: ['docker0:10.1.0.0/16'] } }", "interfaces")]
    #[case("redirect: { vnet: { networks: ['docker0:fd01::/64'] } }", "")]
    #[case("redirect: { dns: { enabled: true } }", "udp dns-zones")]
    #[case("redirect: { dns: { enabled: true, skipConntrackZoneSplit: true } }", "udp")]
    #[case("dropInvalidPackets: true", "drop-invalid")]
    #[case("log: { enabled: true }", "log")]
    fn a_configuration_needs_this_beside_redirect_owner_and_comment(
        #[case] yaml: &str,
        #[case] expected: &str,
    ) {
        let names: Vec<_> =
            needed(&plan(yaml), IpFamily::V4).into_iter().map(|feature| feature.name).collect();
        let usual = ["redirect", "owner", "comment"];
        let missing = usual.iter().filter(|name| !names.contains(name)).map(|name| format!("-{name}"));
        let more = names.iter().filter(|name| !usual.contains(name)).map(|name| (*name).to_owned());
        assert_eq!(missing.chain(more).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn a_family_without_name_servers_needs_nothing_for_dns() {
        let names = needed(&plan("redirect: { dns: { enabled: true } }"), IpFamily::V6);
        assert!(names.iter().all(|feature| !["udp", "dns-zones"].contains(&feature.name)), "{names:?}");
    }

    #[test]
    fn the_rules_of_a_feature_are_one_commit() {
        assert_eq!(INVALID.text(), "*mangle\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n");
    }
}
