//! `tproxy check`.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::{CliError, DONE, FAILED};
use super::limits::NoLimits;
use super::{sources, table};
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::check::{self, Case, Chosen, Evidence, Finding, Lack, Outcome};
use crate::config::{BackendChoice, Config};
use crate::host::iptables::{Candidates, ToolError};
use crate::host::{self, HostFacts};
use crate::iptables::Flavour;
use crate::iptables::render::Installed;

/// How long the tries that choose programs may take altogether; one takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

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
    findings: Vec<&'a Finding>,
}

impl Check {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<u8, CliError> {
        let config = sources::configuration(&self.configuration, surroundings)?.config;
        let (case, evidence) = look(config)?;
        let findings = check::findings(&case, &evidence);
        let is_missing = findings.iter().any(|finding| finding.outcome == Outcome::Missing);
        let quiet = surroundings.output.quiet;
        let shown = findings.iter().filter(|finding| !quiet || finding.outcome != Outcome::Works).collect();
        if surroundings.output.json {
            let result = if is_missing { "missing" } else { "ready" };
            surroundings.print_json(&Report { result, kernel: &evidence.kernel, findings: shown })?;
        } else {
            print(shown, surroundings)?;
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
    let facts = host::facts_beside(&config, resolver)?;
    let (case, chosen) = if config.backend == BackendChoice::Ebpf {
        (Case::new(config, facts, Vec::new())?, Ok(None))
    } else {
        match host::iptables::candidates(&config) {
            Ok(candidates) => choose(config, facts, candidates)?,
            Err(error) => (Case::new(config, facts, Vec::new())?, Err(lack(&error))),
        }
    };
    let evidence = host::evidence::collect(&case, chosen, name_servers)?;
    Ok((case, evidence))
}

/// The case with the programs that an installation would take, and why these.
fn choose(
    config: Config,
    facts: HostFacts,
    candidates: Candidates,
) -> Result<(Case, Result<Option<Chosen>, Lack>), CliError> {
    let mut backend = Iptables::new(candidates, &facts.loopback);
    let looked = if host::privileges::own()?.may_look() {
        backend.observe(None).map_err(|error| error.to_string())
    } else {
        Err("rules cannot be seen without root".to_owned())
    };
    let blind = || Installed { rules: backend.nothing_installed(), ..Installed::default() };
    let installed = looked.as_ref().map_or_else(|_| blind(), Clone::clone);
    let seen =
        looked.map(|_| [Flavour::Nft, Flavour::Legacy].map(|one| (one, backend.seen(one, &installed))));
    let choice = match backend.choose(&installed) {
        Ok(choice) => choice,
        Err(error) => return Ok((Case::new(config, facts, Vec::new())?, Err(lack(&error)))),
    };
    let unused = installed.useless.iter().filter(|(tool, _)| tool.flavour != choice.flavour);
    let passed_over =
        unused.map(|(tool, words)| format!("{} does not work here: {words}", tool.save.display()));
    let mut chosen = Chosen { choice, seen, passed_over: passed_over.collect() };
    let mut case = case_of(config, facts.clone(), &backend)?;
    let until = Instant::now() + PATIENCE;
    let lacking = backend.lacking(&case.plan, until);
    case.refuses_comments = lacking.iter().any(|one| one.need.is_dispensable());
    if let Some(first) = lacking.iter().find(|one| !one.need.is_dispensable())
        && let Some((other, choice)) = backend.instead(&case.plan, &installed, until)
    {
        chosen.choice = choice;
        chosen.passed_over.push(first.to_string());
        case = case_of(case.config, facts, &other)?;
        case.refuses_comments = other.lacking(&case.plan, until).iter().any(|one| one.need.is_dispensable());
    }
    Ok((case, Ok(Some(chosen))))
}

fn case_of(config: Config, mut facts: HostFacts, backend: &Iptables) -> Result<Case, CliError> {
    facts.without_ipv6 = facts.without_ipv6.or(backend.probe().without_ipv6);
    Ok(Case::new(config, facts, backend.tools().cloned().collect())?)
}

fn lack(error: &ToolError) -> Lack {
    let (evidence, advice) = match error {
        ToolError::NotFound(flavour) => (
            match flavour {
                Some(flavour) => format!("no iptables of the {flavour} flavour was found"),
                None => "no iptables was found".to_owned(),
            },
            "install the package iptables, or name the programs with --iptables-executables",
        ),
        ToolError::Unusable { tool, words } => (
            format!("iptables-{} does not work here: {words}", tool.flavour),
            "let the kernel have the modules that it needs, or install programs of the other flavour",
        ),
        named => (named.to_string(), "correct --iptables-executables, or leave it out"),
    };
    Lack { evidence, advice: advice.to_owned() }
}

fn print(findings: Vec<&Finding>, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for finding in findings {
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
