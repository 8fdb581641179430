//! Why a flow gets its verdict, in a sentence.
//!
//! Must never decide anything: the decision comes from the policy.

use serde::Serialize;

use super::entry::Entry;
use super::flow::Flow;
use super::line::Line;
use super::{Decision, Engine, Plan};
use crate::config::ports::{Port, Ports};
use crate::diagnostic::shortened;

/// A flow, its verdict, the deciding line, the reason, and the configuration behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What was asked.
    pub flow: Flow,
    /// The answer.
    #[serde(flatten)]
    pub decision: Decision,
    /// One sentence.
    pub why: String,
    /// The setting that decided; `None` where the line holds whatever is configured.
    pub entry: Option<Entry>,
}

impl Plan {
    /// Decides about `flow` and says why.
    #[must_use]
    pub fn explain(&self, flow: &Flow) -> Explanation {
        let (decision, sent) = (self.verdict(flow), flow.as_sent());
        let (why, entry) = (self.why(decision.line, &sent), self.entry(decision.line, &sent));
        Explanation { flow: flow.clone(), decision, why, entry }
    }

    fn why(&self, line: Line, flow: &Flow) -> String {
        let policy = &self.policy;
        let port = flow.destination.port();
        let listed = |ports: &Ports| shortened(&ports.to_string());
        match line {
            Line::OutboundFamilyOff | Line::InboundFamilyOff => {
                let reason = self.host.without_ipv6.as_ref();
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                format!("{} is not captured{reason}", flow.family().title())
            }
            Line::OutboundExclusion => match self.exclusion_of(flow) {
                Some(exclusion) => format!("what is sent {exclusion} is excluded"),
                None => "an exclusion matches".to_owned(),
            },
            Line::OutboundExcludedInterface => "it leaves through an excluded interface".to_owned(),
            Line::OutboundDnsFromSidecar => {
                "the sidecar's own DNS queries must reach the real name server".to_owned()
            }
            Line::OutboundDns => "DNS queries to this server are captured".to_owned(),
            Line::OutboundNotTcp | Line::InboundNotTcp => self.why_not_tcp(flow),
            Line::OutboundDnsOverTcp => "DNS over TCP is left alone: the DNS port speaks UDP".to_owned(),
            Line::OutboundOff => "outbound capture is off".to_owned(),
            Line::InboundOff => "inbound capture is off".to_owned(),
            Line::OutboundExcludedPort => {
                format!("port {port} is excluded (excluded: {})", listed(&policy.outbound.exclude_ports))
            }
            Line::InboundExcludedPort => {
                format!("port {port} is excluded (excluded: {})", listed(&policy.inbound.exclude_ports))
            }
            Line::OutboundNotIncludedPort => {
                format!("port {port} is not included (included: {})", listed(&policy.outbound.include_ports))
            }
            Line::InboundNotIncludedPort => {
                format!("port {port} is not included (included: {})", listed(&policy.inbound.include_ports))
            }
            Line::InboundIncludedPort => {
                format!("port {port} is included (included: {})", listed(&policy.inbound.include_ports))
            }
            Line::InboundOtherInterface => {
                "it arrives on another interface than the one that is captured".to_owned()
            }
            Line::InboundExcludedInterface => "it arrives on an excluded interface".to_owned(),
            Line::InboundExcludedSource => "its source address is excluded".to_owned(),
            Line::InboundInvalid => {
                "it belongs to no connection, so it would slip past the redirection".to_owned()
            }
            Line::InboundVnetDns => "DNS queries from this virtual network are captured".to_owned(),
            Line::InboundVnetTcp => {
                "it leaves a virtual network whose outgoing connections are captured".to_owned()
            }
            _ => self.why_by_owner(line, flow),
        }
    }

    fn why_not_tcp(&self, flow: &Flow) -> String {
        let family = flow.family();
        match (self.query_entry(flow), self.policy.dns_of(family)) {
            (None, _) => "only TCP is captured, and DNS".to_owned(),
            (Some(_), None) if self.policy.dns.is_none() => "DNS queries are not captured".to_owned(),
            (Some(_), None) => format!("DNS queries over {} are not captured", family.title()),
            (Some(_), Some(_)) => "it goes to no name server whose queries are captured".to_owned(),
        }
    }

    fn why_by_owner(&self, line: Line, flow: &Flow) -> String {
        let policy = &self.policy;
        let sidecar = policy.sidecar_uid;
        let inbound = policy.inbound.port.map_or(0, Port::get);
        match line {
            Line::OutboundPassthroughSource => format!(
                "source {} is the sidecar calling its own application; captured, it would loop",
                flow.family().passthrough()
            ),
            Line::OutboundSidecarToListener => {
                "the sidecar calls a listener of its own, which would take it and call again, without end"
                    .to_owned()
            }
            Line::OutboundSidecarToSelf => {
                format!(
                    "the sidecar calls this host: through inbound port {inbound}, so that inbound policies apply"
                )
            }
            Line::OutboundAppToSelf => "it stays on this host, and its owner is not the sidecar".to_owned(),
            Line::OutboundSidecar if self.lacks_inbound_port(flow) => {
                "the sidecar calls this host, and there is no inbound port to send that to".to_owned()
            }
            Line::OutboundSidecar => {
                format!("what the sidecar (uid {sidecar}) sends leaves untouched; captured, it would loop")
            }
            Line::OutboundLocalhost => "connections to localhost stay local".to_owned(),
            Line::InboundForwarded if policy.engine == Engine::Ebpf => {
                "it is not for an address of this host, and eBPF sees what arrives for this host alone"
                    .to_owned()
            }
            Line::InboundForwarded => {
                "it is not for an address of this host, and forwarded connections are captured, too"
                    .to_owned()
            }
            Line::InboundCaptured => "arriving TCP connections go through the sidecar".to_owned(),
            _ => "outgoing TCP connections go through the sidecar".to_owned(),
        }
    }
}
