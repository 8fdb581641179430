//! The ports that rules of ours redirect to.
//!
//! Must never take a rule of another program for ours.

use std::collections::BTreeSet;

use super::render::{Installed, InstalledRules};
use super::rule::{Rule, words};
use super::state::TableState;
use crate::apply::change::Change;
use crate::plan::Plan;

/// Ports on this host that captured flows are delivered to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirects {
    /// Of connections.
    pub tcp: BTreeSet<u16>,
    /// Of DNS queries.
    pub udp: BTreeSet<u16>,
}

impl Redirects {
    /// What is installed, by us or by Kuma, redirects to these, or did before a run that was ended half-way.
    #[must_use]
    pub fn installed(installed: &Installed) -> Self {
        let mut redirects = Self::of(&installed.rules);
        let changes = installed.record.iter().flat_map(|record| &record.changes);
        let texts = changes.flat_map(|change| match change {
            Change::Restore { forward, backward, .. } => vec![forward, backward],
            Change::AddAddress(_) | Change::RemoveAddress(_) | Change::Store(_) | Change::Capture(_) => {
                Vec::new()
            }
        });
        let rules = texts.flat_map(|text| text.lines()).filter_map(words);
        rules.for_each(|words| redirects.add(&Rule::from_words(words)));
        redirects
    }

    /// These rules redirect to these.
    #[must_use]
    pub fn of(rules: &[InstalledRules]) -> Self {
        let mut redirects = Self::default();
        let tables = rules.iter().flat_map(|rules| &rules.tables);
        tables.flat_map(rules_of).for_each(|rule| redirects.add(rule));
        redirects
    }

    fn add(&mut self, rule: &Rule) {
        match rule.redirects_to() {
            Some(("udp", port)) => self.udp.insert(port),
            Some((_, port)) => self.tcp.insert(port),
            None => false,
        };
    }

    /// These, and those of a plan.
    #[must_use]
    pub fn and_planned(&self, plan: &Plan) -> Self {
        let mut redirects = self.clone();
        let policy = &plan.policy;
        redirects.tcp.insert(policy.outbound.port.get());
        redirects.tcp.extend(policy.inbound.port.map(|port| port.get()));
        redirects.udp.extend(policy.dns.as_ref().map(|dns| dns.port.get()));
        redirects
    }
}

fn rules_of(table: &TableState) -> impl Iterator<Item = &Rule> {
    let in_chains = table.chains.iter().flat_map(|chain| &chain.rules);
    in_chains.chain(table.hooks.iter().map(|hook| &hook.rule))
}

#[cfg(test)]
mod tests {
    use super::super::{Flavour, Tool, save};
    use super::*;
    use crate::family::IpFamily;

    #[test]
    fn the_ports_of_our_rules_and_kumas_are_found_and_no_others() {
        let saved = "*nat\n:OUTPUT ACCEPT [0:0]\n:KUMA_MESH_OUTBOUND_REDIRECT - [0:0]\n:OTHER - [0:0]\n\
            -A OUTPUT -p udp -m comment --comment \"kuma/mesh/transparent/proxy/dns\" -m udp --dport 53 -j REDIRECT --to-ports 15053\n\
            -A OUTPUT -p udp -j REDIRECT --to-ports 7\n\
            -A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n\
            -A OTHER -p tcp -j REDIRECT --to-ports 9\nCOMMIT\n";
        let tool =
            Tool { flavour: Flavour::Nft, family: IpFamily::V4, save: "/s".into(), restore: "/r".into() };
        let tables = TableState::of_all(save::parse(saved).unwrap());
        let installed = Installed { rules: vec![InstalledRules { tool, tables }], ..Installed::default() };
        let expected = Redirects { tcp: [15001].into(), udp: [15053].into() };
        assert_eq!(Redirects::installed(&installed), expected);
    }
}
