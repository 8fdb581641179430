//! `tproxy validate`, and kumactl's `install transparent-proxy-validator`, which is one part of it.

use std::path::Path;

use clap::Args;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::install::{permit_changes, read_record};
use super::limits::told;
use super::sources;
use super::table::aligned;
use crate::apply::journal::{self, Journal};
use crate::config::ports::Port;
use crate::config::value::{Spelling, Value};
use crate::config::{Config, IpFamilyMode, Layers, print};
use crate::family::IpFamily;
use crate::host;
use crate::plan::{self, Sidecar};
use crate::verify::probe::{Outcome, Probe, Prober, to_self_at};

/// The flags of both.
#[derive(Debug, Args)]
#[command(after_help = "Example: runuser -u kuma-dp -- tproxy validate --ip-family-mode ipv4")]
pub(super) struct Contract {
    /// IP families to try: dualstack or ipv4 [default: dualstack]
    #[arg(long, value_name = "MODE", value_parser = family_mode)]
    ip_family_mode: Option<String>,
    /// Inbound port of the sidecar, which must not listen yet [default: 15006]
    #[arg(long, value_name = "PORT", value_parser = port)]
    validation_server_port: Option<Port>,
    /// Configuration files as for --config of install; what they say wins over both flags above
    #[arg(long, value_name = "FILES")]
    transparent_proxy_config: Vec<String>,
}

/// The flags of `tproxy validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runuser -u kuma-dp -- tproxy validate --ip-family-mode ipv4
  tproxy validate --probe-inbound

Without files, root tries what the record of the installation says. Root tries
every direction, the sidecar's user what the sidecar sends to its own host. What
is not tried is said, with the reason.")]
pub(super) struct Validate {
    #[command(flatten)]
    contract: Contract,
    /// Try a connection that arrives, too, from a network namespace that is made for it and joined to this one by an
    /// interface for the time of the try; needs root
    #[arg(long)]
    probe_inbound: bool,
}

impl Validate {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        if self.probe_inbound {
            permit_changes(surroundings)?;
        }
        let mut config = match self.contract.recorded(surroundings)? {
            Some(config) => config,
            None => self.contract.configuration(surroundings)?,
        };
        self.contract.apply_port(&mut config);
        let facts = host::facts(&config)?;
        let (plan, notes) = plan::resolve(&config, &facts, Sidecar::MayBeAssumed)?;
        for note in notes {
            surroundings.warn(note);
        }
        let prober = Prober::new(&plan);
        let mut probes = Vec::new();
        for family in plan.policy.families.iter().copied() {
            let mut progress = |text: &str| surroundings.tell(format!("# {} {text}", family.title()));
            probes.push(prober.to_self(family, &mut progress));
            probes.extend([prober.outbound(family), prober.dns(family)]);
            probes.extend(self.probe_inbound.then(|| prober.inbound(family)));
        }
        print(&probes, surroundings)?;
        if let Some(why) = without_ipv6(&config)? {
            surroundings.tell(format!("# IPv6 is not tried: {why}"));
        }
        if !self.probe_inbound {
            surroundings.tell("# arriving connections are not tried: --probe-inbound does, as root");
        }
        judge(&probes)
    }
}

impl Contract {
    /// As kumactl does: a connection of whoever runs this to the passthrough address, for every family.
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let mut config = self.configuration(surroundings)?;
        self.apply_port(&mut config);
        let port = config.inbound.port.map_or(0, Port::get);
        let without_ipv6 = without_ipv6(&config)?;
        let mut failures = Vec::new();
        for family in IpFamily::ALL {
            if let Some(reason) = without_ipv6.as_ref().filter(|_| family == IpFamily::V6) {
                surroundings.tell(format!("# IPv6 is not tried: {reason}"));
                continue;
            }
            let mut progress = |text: &str| surroundings.tell(format!("# {} {text}", family.title()));
            match to_self_at(family, port, None, &mut progress) {
                Outcome::Works => surroundings.tell(format!("# {}: validation successful", family.title())),
                Outcome::Fails(why) => failures.push(format!("{}: {}", family.title(), advised(&why))),
                Outcome::NotProbed(why) => {
                    failures.push(format!("{}: {why}; validate before the sidecar starts", family.title()));
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failed(&failures)) }
    }

    /// Files alone, or else both flags; no variable counts (Kuma behaviour).
    fn configuration(&self, surroundings: &mut Surroundings<'_>) -> Result<Config, CliError> {
        Ok(sources::configuration(&self.flags(), surroundings)?.config)
    }

    /// What the configuration is made of.
    pub(super) fn flags(&self) -> ConfigurationFlags {
        let files = self.transparent_proxy_config.clone();
        let modes = self.ip_family_mode.iter().filter(|_| files.is_empty());
        ConfigurationFlags {
            flags: modes.map(|mode| ("ip-family-mode", mode.clone())).collect(),
            files,
            files_flag: Some("transparent-proxy-config"),
            without_variables: true,
            ..Default::default()
        }
    }

    fn apply_port(&self, config: &mut Config) {
        if let Some(port) = self.validation_server_port.filter(|_| self.transparent_proxy_config.is_empty()) {
            config.inbound.port = Some(port);
        }
    }

    /// What the journal says was chosen for what is installed, where no file says it and it may be read.
    fn recorded(&self, surroundings: &mut Surroundings<'_>) -> Result<Option<Config>, CliError> {
        if !self.transparent_proxy_config.is_empty() || !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let Some(record) = read_record(&journal, surroundings) else { return Ok(None) };
        let text = print::nested(&record.configuration).to_string();
        let layers = Layers::default().file("the record of the installation", text);
        let layers = match &self.ip_family_mode {
            Some(mode) => layers.flag("ip-family-mode", mode.as_str()),
            None => layers,
        };
        Ok(Some(layers.resolve()?.config))
    }
}

/// The text, where it is a mode.
fn family_mode(text: &str) -> Result<String, String> {
    let read = IpFamilyMode::read(&Value::Text(text.to_owned()));
    read.map(|_| text.to_owned()).map_err(|refusals| told(&refusals))
}

fn port(text: &str) -> Result<Port, String> {
    let port = text.parse().ok().and_then(Port::new);
    port.ok_or_else(|| "give a port from 1 to 65535, like 15006".to_owned())
}

fn without_ipv6(config: &Config) -> Result<Option<String>, CliError> {
    Ok(match config.ip_family_mode {
        IpFamilyMode::Ipv4 => Some("the configuration is for IPv4 only".to_owned()),
        IpFamilyMode::DualStack => host::facts(&Config::default())?.without_ipv6,
    })
}

fn print(probes: &[Probe], surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    if surroundings.output.json {
        return surroundings.print_json(&serde_json::json!({ "probes": probes }));
    }
    let rows: Vec<[String; 4]> = probes
        .iter()
        .map(|probe| {
            let (outcome, why) = match &probe.outcome {
                Outcome::Works => ("works", ""),
                Outcome::Fails(why) => ("fails", why.as_str()),
                Outcome::NotProbed(why) => ("not probed", why.as_str()),
            };
            [probe.family.to_string(), probe.line.to_string(), outcome.to_owned(), why.to_owned()]
        })
        .collect();
    Ok(write!(surroundings.out, "{}", aligned(["family", "policy line", "outcome", "why"], &rows))?)
}

/// Succeeds when something was tried and nothing failed.
fn judge(probes: &[Probe]) -> Result<(), CliError> {
    let failures: Vec<String> = probes
        .iter()
        .filter_map(|probe| match &probe.outcome {
            Outcome::Fails(why) => {
                Some(format!("{}: {}: {}", probe.family.title(), probe.line, advised(why)))
            }
            Outcome::Works | Outcome::NotProbed(_) => None,
        })
        .collect();
    if !failures.is_empty() {
        return Err(failed(&failures));
    }
    if probes.iter().any(|probe| probe.outcome == Outcome::Works) {
        return Ok(());
    }
    Err(failed(&["nothing could be tried; validate before the sidecar starts".to_owned()]))
}

fn advised(why: &str) -> String {
    format!("{why}; install first, and run this as root or as the sidecar's user")
}

fn failed(failures: &[String]) -> CliError {
    CliError::Validation(format!("validation failed: {}", failures.join("; ")))
}
