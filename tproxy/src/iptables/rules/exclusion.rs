//! What passes before anything else: exclusions by protocol, ports, owner, network and interface (lines 1 and 2).
//!
//! Must never decide about what is not excluded: what matches nothing here goes on.

use ipnet::IpNet;

use super::{Writer, ports, tree};
use crate::config::interface::InterfacePattern;
use crate::family::IpFamily;
use crate::iptables::rule::Rule;
use crate::iptables::state::Chain;
use crate::plan::Exclusion;
use crate::plan::flow::Protocol;
use crate::plan::line::Line;

/// A chain in the making, and those that it continues in.
pub(super) struct Building {
    /// The chain whose rules are being written.
    current: Chain,
    /// Chains that are complete.
    done: Vec<Chain>,
    /// What tells its trees from those of other chains.
    tag: char,
}

impl Building {
    pub(super) fn new(name: String, tag: char) -> Self {
        Self { current: Chain { name, rules: Vec::new() }, done: Vec::new(), tag }
    }

    pub(super) fn push(&mut self, rule: Rule) {
        self.current.rules.push(rule);
    }

    pub(super) fn extend(&mut self, rules: impl IntoIterator<Item = Rule>) {
        self.current.rules.extend(rules);
    }

    /// Everything for one of `networks` passes. Many of them become a tree of chains, behind which the rules go on in
    /// another chain.
    pub(super) fn pass_networks(&mut self, writer: Writer<'_>, line: Line, option: &str, networks: &[IpNet]) {
        let found = |network: &IpNet| writer.line(line, &format!("{} -j RETURN", within(option, network)));
        let built = tree::build(self.tag, networks, option, &found);
        self.extend(built.entry);
        self.done.extend(built.chains);
        if let Some(rest) = built.rest {
            let full = std::mem::replace(&mut self.current, Chain { name: rest, rules: Vec::new() });
            self.done.push(full);
        }
    }

    pub(super) fn finish(mut self) -> Vec<Chain> {
        self.done.push(self.current);
        self.done
    }
}

impl<'a> Writer<'a> {
    /// Exclusions of new TCP connections, in a chain that only TCP enters.
    pub(super) fn tcp_exclusions(self, chain: &mut Building) {
        for exclusion in self.exclusions(Protocol::Tcp).filter(|exclusion| exclusion.network.is_none()) {
            let owner = owner(exclusion);
            let matches = match exclusion.ports.is_empty() {
                true => vec![owner],
                false => ports::matches("tcp", &exclusion.ports)
                    .iter()
                    .map(|ports| format!("{ports} {owner}"))
                    .collect(),
            };
            chain.extend(
                matches
                    .iter()
                    .map(|matching| self.line(Line::OutboundExclusion, &format!("{matching} -j RETURN"))),
            );
        }
        chain.pass_networks(self, Line::OutboundExclusion, "-d", &self.excluded_networks());
        chain.extend(self.interfaces(
            "-o",
            Line::OutboundExcludedInterface,
            &self.policy().outbound.exclude_interfaces,
        ));
    }

    /// Exclusions of DNS queries, in a chain that only UDP to port 53 enters. Networks matter only where queries to any
    /// server are captured: a listed server that is excluded is not listed.
    pub(super) fn query_exclusions(self, chain: &mut Building) {
        let owners = self.exclusions(Protocol::Udp).filter(|exclusion| {
            exclusion.network.is_none() && (exclusion.ports.is_empty() || exclusion.ports.contains(53))
        });
        chain.extend(
            owners.map(|exclusion| {
                self.line(Line::OutboundExclusion, &format!("{} -j RETURN", owner(exclusion)))
            }),
        );
        if self.dns().is_some_and(|dns| dns.servers.is_none()) {
            chain.pass_networks(self, Line::OutboundExclusion, "-d", &self.excluded_networks());
        }
        chain.extend(self.interfaces(
            "-o",
            Line::OutboundExcludedInterface,
            &self.policy().outbound.exclude_interfaces,
        ));
    }

    /// Whatever comes or goes by one of these interfaces passes.
    pub(super) fn interfaces(self, option: &str, line: Line, patterns: &[InterfacePattern]) -> Vec<Rule> {
        patterns
            .iter()
            .map(|pattern| self.line(line, &format!("{} -j RETURN", interface(option, pattern))))
            .collect()
    }

    /// The destination networks of this family that are excluded whatever the protocol.
    pub(super) fn excluded_networks(self) -> Vec<IpNet> {
        self.exclusions(Protocol::Tcp).filter_map(|exclusion| exclusion.network).collect()
    }

    fn exclusions(self, protocol: Protocol) -> impl Iterator<Item = &'a Exclusion> {
        let family = self.family;
        self.plan.policy.outbound.exclusions.iter().filter(move |exclusion| {
            exclusion.protocol.is_none_or(|own| own == protocol)
                && exclusion.network.is_none_or(|network| IpFamily::of(network.addr()) == family)
        })
    }
}

/// Any address is no match at all, which is how iptables-save prints it.
pub(super) fn within(option: &str, network: &IpNet) -> String {
    if network.prefix_len() == 0 { String::new() } else { format!("{option} {network}") }
}

/// Any interface is no match at all, which is how iptables-save prints it.
pub(super) fn interface(option: &str, pattern: &InterfacePattern) -> String {
    if pattern.as_str() == "+" { String::new() } else { format!("{option} {pattern}") }
}

fn owner(exclusion: &Exclusion) -> String {
    let uids = exclusion.uids.map(|uids| format!("--uid-owner {uids}"));
    let gids = exclusion.gids.map(|gids| format!("--gid-owner {gids}"));
    let options: Vec<String> = [uids, gids].into_iter().flatten().collect();
    if options.is_empty() { String::new() } else { format!("-m owner {}", options.join(" ")) }
}
