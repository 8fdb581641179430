//! Connections that local processes open (lines 6 to 15), and the chains that redirect.
//!
//! Must never redirect what the sidecar sends to another host.

use super::exclusion::Building;
use super::{Writer, mesh, ports};
use crate::config::ports::Port;
use crate::iptables::hooks::Place;
use crate::iptables::rule::Rule;
use crate::iptables::state::{Chain, TableState};
use crate::plan::line::Line;

impl Writer<'_> {
    /// Adds the chain that decides about outgoing connections, the one that redirects them, and the jump.
    pub(super) fn outbound(self, table: &mut TableState) {
        let chains = &self.options().chains;
        let (name, redirect) = (mesh(chains.outbound.as_str()), mesh(chains.outbound_redirect.as_str()));
        let place = if self.options().outbound_first { Place::First } else { Place::Last };
        table.hooks.push(self.hook("OUTPUT", place, "-p tcp", &name));
        let mut chain = Building::new(name, 'O');
        self.outbound_rules(&mut chain, &redirect);
        table.chains.extend(chain.finish());
        table.chains.push(redirecting(redirect, Some(self.policy().outbound.port)));
    }

    fn outbound_rules(self, chain: &mut Building, redirect: &str) {
        let (policy, lo) = (self.policy(), &self.plan.host.loopback);
        let (outbound, uid) = (&policy.outbound, policy.sidecar_uid);
        if !outbound.enabled {
            return chain.push(self.line(Line::OutboundOff, "-p tcp -j RETURN"));
        }
        // Every line lets it pass; here it does not walk through the exclusions first.
        chain.push(
            self.line(Line::OutboundSidecar, &format!("! -o {lo} -m owner --uid-owner {uid} -j RETURN")),
        );
        self.tcp_exclusions(chain);
        if self.dns().is_some() {
            let query = format!("-p tcp -m tcp --dport 53 -m owner ! --uid-owner {uid} -j RETURN");
            chain.push(self.line(Line::OutboundDnsOverTcp, &query));
        }
        if outbound.include_ports.is_empty() {
            let excluded = ports::matches("tcp", &outbound.exclude_ports);
            chain.extend(
                excluded
                    .iter()
                    .map(|ports| self.line(Line::OutboundExcludedPort, &format!("{ports} -j RETURN"))),
            );
        }
        self.to_self(chain);
        match outbound.include_ports.is_empty() {
            true => chain.push(self.line(Line::OutboundCaptured, &format!("-j {redirect}"))),
            false => chain.extend(
                ports::matches("tcp", &outbound.include_ports)
                    .iter()
                    .map(|ports| self.line(Line::OutboundCaptured, &format!("{ports} -j {redirect}"))),
            ),
        }
    }

    /// What stays on this host, what the sidecar sends, and localhost.
    fn to_self(self, chain: &mut Building) {
        let (policy, lo, family) = (self.policy(), &self.plan.host.loopback, self.family);
        let (uid, prefix) = (policy.sidecar_uid, family.host_prefix());
        let (localhost, passthrough) = (family.localhost(), family.passthrough());
        let inbound = mesh(self.options().chains.inbound_redirect.as_str());
        chain.push(
            self.line(
                Line::OutboundPassthroughSource,
                &format!("-s {passthrough}/{prefix} -o {lo} -j RETURN"),
            ),
        );
        if policy.inbound.port.is_some() {
            let to_self =
                format!("! -d {localhost}/{prefix} -o {lo} -p tcp -m owner --uid-owner {uid} -j {inbound}");
            chain.push(self.line(Line::OutboundSidecarToSelf, &to_self));
        }
        let app_to_self = format!("-o {lo} -p tcp -m owner ! --uid-owner {uid} -j RETURN");
        chain.push(self.line(Line::OutboundAppToSelf, &app_to_self));
        chain.push(self.line(Line::OutboundSidecar, &format!("-m owner --uid-owner {uid} -j RETURN")));
        chain.push(self.line(Line::OutboundLocalhost, &format!("-d {localhost}/{prefix} -j RETURN")));
    }
}

/// A chain that redirects to a port of the sidecar; empty where the sidecar has none.
pub(super) fn redirecting(name: String, port: Option<Port>) -> Chain {
    let rules = port.map(|port| Rule::new(&format!("-p tcp -j REDIRECT --to-ports {port}")));
    Chain { name, rules: rules.into_iter().collect() }
}
