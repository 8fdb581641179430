//! What a plan asks of iptables and the kernel, one feature at a time, each as a small rule set that shows it.
//!
//! Who loads such a rule set knows that programs and kernel have the feature; the rules capture nothing of anybody's.
//! Must never say what it means when one is missing: that is for `check`.

use std::collections::BTreeMap;

use crate::config::interface::VirtualNetwork;
use crate::config::ports::Ports;
use crate::family::IpFamily;
use crate::plan::flow::Protocol;
use crate::plan::{Dns, Plan};

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

/// A feature, and what asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The feature.
    pub feature: Feature,
    /// The flags of the options that ask for it; none where every installation does.
    pub options: Vec<&'static str>,
}

/// The feature without which nothing is captured. Whoever has it not cannot be installed with.
pub const BASE: Feature = REDIRECT;

/// The features that the rules of `plan` need in one family.
#[must_use]
pub fn needed(plan: &Plan, family: IpFamily) -> Vec<Need> {
    let (policy, options) = (&plan.policy, &plan.iptables);
    let exclusions = &policy.outbound.exclusions;
    let captures_dns = policy.dns_of(family).is_some();
    let dns = match policy.dns {
        Some(Dns { servers: Some(_), .. }) => "--redirect-dns",
        _ => "--redirect-all-dns-traffic",
    };
    let (lists, interfaces) = (ports(plan), interfaces(plan, family));
    let always = |feature| (feature, true, Vec::new());
    let asked = |feature, options: Vec<&'static str>| (feature, !options.is_empty(), options);
    let flag = |feature, wanted, option| (feature, wanted, vec![option]);
    let features = [
        always(REDIRECT),
        always(OWNER),
        flag(GROUP, exclusions.iter().any(|one| one.gids.is_some()), "--exclude-outbound-gids"),
        asked(PORTS, flags(&lists, |ports| !ports.is_empty())),
        asked(SEVERAL_PORTS, flags(&lists, |ports| ports.ranges().count() > 1)),
        flag(UDP, captures_dns, dns),
        flag(ZONES, captures_dns && options.conntrack_zones, dns),
        asked(INTERFACES, interfaces),
        (COMMENT, options.comments, Vec::new()),
        flag(INVALID, policy.drop_invalid, "--drop-invalid-packets"),
        flag(LOG, options.log_level.is_some(), "--iptables-logs"),
    ];
    let wanted = features.into_iter().filter(|(_, wanted, _)| *wanted);
    wanted.map(|(feature, _, options)| Need { feature, options }).collect()
}

/// The lists of ports that connections are told by, each with its flag. Those of queries need no match on ports.
fn ports(plan: &Plan) -> Vec<(&'static str, &Ports)> {
    let (inbound, outbound) = (&plan.policy.inbound, &plan.policy.outbound);
    let lists = [
        ("--include-inbound-ports", &inbound.include_ports),
        ("--exclude-inbound-ports", &inbound.exclude_ports),
        ("--include-outbound-ports", &outbound.include_ports),
        ("--exclude-outbound-ports", &outbound.exclude_ports),
    ];
    let of_users = outbound.exclusions.iter().filter(|one| one.protocol != Some(Protocol::Udp));
    let of_users = of_users.map(|one| ("--exclude-outbound-ports-for-uids", &one.ports));
    lists.into_iter().chain(of_users).collect()
}

/// The flags of those lists that are so, each once.
fn flags(lists: &[(&'static str, &Ports)], is_so: fn(&Ports) -> bool) -> Vec<&'static str> {
    let mut flags: Vec<_> = lists.iter().filter(|(_, ports)| is_so(ports)).map(|(flag, _)| *flag).collect();
    flags.dedup();
    flags
}

/// The flags that name interfaces.
fn interfaces(plan: &Plan, family: IpFamily) -> Vec<&'static str> {
    let policy = &plan.policy;
    let of_family =
        |vnet: &VirtualNetwork| vnet.networks.iter().any(|network| IpFamily::of(network.addr()) == family);
    let flags = [
        ("--exclude-inbound-interfaces", !policy.inbound.exclude_interfaces.is_empty()),
        ("--exclude-outbound-interfaces", !policy.outbound.exclude_interfaces.is_empty()),
        ("--vnet", policy.vnets.iter().any(of_family)),
    ];
    flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
}

/// One restore text for the rules of all of them.
#[must_use]
pub fn together(needs: &[Need]) -> String {
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    for Need { feature, .. } in needs {
        let rules = tables.entry(feature.table).or_default();
        rules.extend(feature.rules.iter().map(|rule| format!("{rule}\n")));
    }
    tables.into_iter().map(|(table, rules)| format!("*{table}\n{rules}COMMIT\n")).collect()
}

impl Need {
    /// Whether rules are written without it where it is missing.
    #[must_use]
    pub fn is_dispensable(&self) -> bool {
        self.feature == COMMENT
    }
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
            needed(&plan(yaml), IpFamily::V4).into_iter().map(|need| need.feature.name).collect();
        let usual = ["redirect", "owner", "comment"];
        let missing = usual.iter().filter(|name| !names.contains(name)).map(|name| format!("-{name}"));
        let more = names.iter().filter(|name| !usual.contains(name)).map(|name| (*name).to_owned());
        assert_eq!(missing.chain(more).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn a_family_without_name_servers_needs_nothing_for_dns() {
        let names = needed(&plan("redirect: { dns: { enabled: true } }"), IpFamily::V6);
        assert!(names.iter().all(|need| !["udp", "dns-zones"].contains(&need.feature.name)), "{names:?}");
    }

    #[rstest]
    #[case("redirect: { inbound: { excludePorts: [22, 23] }, outbound: { excludePortsForUIDs: ['tcp:443:1', 'tcp:80:2'] } }",
        "ports", &["--exclude-inbound-ports", "--exclude-outbound-ports-for-uids"])]
    #[case("redirect: { inbound: { excludePorts: [22, 80] }, outbound: { excludePorts: [22] } }", "several-ports", &["--exclude-inbound-ports"])]
    #[case("redirect: { dns: { enabled: true } }", "dns-zones", &["--redirect-dns"])]
    #[case("redirect: { dns: { captureAll: true } }", "udp", &["--redirect-all-dns-traffic"])]
    #[case("redirect: { outbound: { excludeInterfaces: [eth1] }, vnet: { networks: ['br0:10.1.0.0/16'] } }",
        "interfaces", &["--exclude-outbound-interfaces", "--vnet"])]
    #[case("log: { enabled: true }", "log", &["--iptables-logs"])]
    #[case("", "owner", &[])]
    fn the_options_that_need_a_feature_are_named(
        #[case] yaml: &str,
        #[case] feature: &str,
        #[case] options: &[&str],
    ) {
        let needs = needed(&plan(yaml), IpFamily::V4);
        let need = needs.iter().find(|need| need.feature.name == feature).unwrap();
        assert_eq!(need.options, options);
    }

    #[test]
    fn rules_of_several_features_are_one_commit_a_table() {
        let needs = needed(&plan("dropInvalidPackets: true\ncomments: { disabled: true }"), IpFamily::V4);
        let text = together(&needs);
        assert!(text.starts_with("*mangle\n-A PREROUTING -m conntrack"), "{text}");
        assert_eq!((text.matches("COMMIT\n").count(), text.matches("-A OUTPUT").count()), (2, 2), "{text}");
    }

    #[test]
    fn the_rules_of_a_feature_are_one_commit() {
        assert_eq!(INVALID.text(), "*mangle\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n");
    }
}
