//! `tproxy check`.

use clap::Args;
use serde::Serialize;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::{CliError, DONE, FAILED};
use super::limits::NoLimits;
use super::{sources, table};
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::check::{self, Case, Evidence, Finding, Lack, Outcome};
use crate::config::{BackendChoice, Config};
use crate::host;
use crate::host::iptables::{ToolError, Tools};
use crate::iptables::Tool;

/// The flags of `tproxy check`: those of `install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tproxy check --redirect-dns --exclude-inbound-ports 22
  tproxy check --config /etc/tproxy/config.yaml --quiet

Rules are tried in network namespaces that end with the try; nothing of this host is changed. Without \
root it cannot be seen what other programs have there. With --quiet, what works is left out.

Exit codes: 0 nothing is missing (warnings do not count), 1 something that the configuration needs is missing")]
pub(super) struct Check {
    #[command(flatten)]
    configuration: ConfigurationFlags,
    #[command(flatten)]
    _limits: NoLimits,
}

/// What was found, for machines.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// `ready` or `missing`.
    result: &'static str,
    /// Release of the kernel.
    kernel: &'a str,
    findings: &'a [Finding],
}

impl Check {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<u8, CliError> {
        let config = sources::configuration(&self.configuration, surroundings)?.config;
        let (case, evidence) = look(config)?;
        let findings = check::findings(&case, &evidence);
        let is_missing = findings.iter().any(|finding| finding.outcome == Outcome::Missing);
        if surroundings.output.json {
            let result = if is_missing { "missing" } else { "ready" };
            surroundings.print_json(&Report { result, kernel: &evidence.kernel, findings: &findings })?;
        } else {
            print(&findings, surroundings)?;
            surroundings.tell(summary(&findings, &evidence.kernel));
        }
        Ok(if is_missing { FAILED } else { DONE })
    }
}

/// Looks at the host, and goes on with what is there where something is not.
fn look(config: Config) -> Result<(Case, Evidence), CliError> {
    let resolver = host::resolver(&config);
    let name_servers =
        resolver.as_ref().map(|resolver| resolver.servers.clone()).map_err(ToString::to_string);
    let asks = config.dns.enabled && !config.dns.capture_all;
    let resolver = resolver.ok().filter(|_| asks).unwrap_or_default();
    let mut facts = host::facts_beside(&config, resolver)?;
    let (tools, lack) = match host::iptables::find(&config) {
        _ if config.backend == BackendChoice::Ebpf => (Vec::new(), None),
        Ok(tools) => {
            let without_ipv6 = Iptables::new(tools.clone(), &facts.loopback).probe().without_ipv6;
            facts.without_ipv6 = facts.without_ipv6.or(without_ipv6);
            (listed(tools), None)
        }
        Err(error) => (Vec::new(), Some(lack(&error))),
    };
    let case = Case::new(config, facts, tools)?;
    let evidence = host::evidence::collect(&case, lack, name_servers)?;
    Ok((case, evidence))
}

fn listed(tools: Tools) -> Vec<Tool> {
    [Some(tools.ipv4), tools.ipv6].into_iter().flatten().collect()
}

fn lack(error: &ToolError) -> Lack {
    let (evidence, advice) = match error {
        ToolError::NotFound(flavour) => (
            format!("no iptables of the {flavour} flavour was found"),
            "install the package iptables, or name the programs with --iptables-executables",
        ),
        named => (named.to_string(), "correct --iptables-executables, or leave it out"),
    };
    Lack { evidence, advice: advice.to_owned() }
}

fn print(findings: &[Finding], surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let quiet = surroundings.output.quiet;
    let mut rows: Vec<[String; 3]> = Vec::new();
    for finding in findings.iter().filter(|finding| !quiet || finding.outcome != Outcome::Works) {
        rows.push([finding.outcome.to_string(), finding.subject.clone(), one_line(&finding.evidence)]);
        let advice = finding.advice.iter();
        rows.extend(advice.map(|advice| [String::new(), String::new(), format!("→ {}", one_line(advice))]));
    }
    if rows.is_empty() {
        return Ok(());
    }
    Ok(write!(surroundings.out, "{}", table::aligned(["outcome", "subject", "evidence"], &rows))?)
}

/// Words of other programs may hold line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn summary(findings: &[Finding], kernel: &str) -> String {
    let outcomes = [Outcome::Works, Outcome::Warning, Outcome::Missing, Outcome::Unknown];
    let counts = outcomes.map(|outcome| {
        let number = findings.iter().filter(|finding| finding.outcome == outcome).count();
        format!("{outcome} {number}")
    });
    format!("# Linux {kernel}: {}", counts.join(", "))
}
