//! `tproxy status`.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Surroundings;
use super::error::{CliError, DAMAGED, DONE, NOT_INSTALLED};
use super::install::read_record;
use crate::apply::journal::{self, Journal};
use crate::apply::record::{Phase, Record};
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::config::Config;
use crate::host;
use crate::iptables::render::Installed;

/// The flags of `tproxy status`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy status || tproxy install --config /etc/tproxy/config.yaml

Exit codes: 0 installed and intact, 3 not installed, 4 damaged")]
pub(super) struct Status {}

/// What is installed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Report {
    state: State,
    /// Why it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
    /// `tproxy`, with the version where it is recorded, or `kuma`.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_by: Option<String>,
    /// Backends whose rules are here.
    backends: Vec<String>,
    /// Digests of what is installed, 16 hexadecimal digits each.
    digests: Vec<String>,
    /// The settings that were chosen, where they are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Installed,
    NotInstalled,
    Damaged,
}

impl Status {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<u8, CliError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(CliError::NotRoot("seeing which rules are installed", ""));
        }
        let facts = host::facts(&Config::default())?;
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let record = read_record(&journal, surroundings);
        let backend = Iptables::for_removal(record.as_ref(), &facts.loopback)?;
        backend.sees_all_of(record.as_ref())?;
        let report = Report::of(&backend.observe(record)?);
        if surroundings.output.json {
            surroundings.print_json(&report)?;
        } else {
            write!(surroundings.out, "{}", report.text())?;
        }
        Ok(match report.state {
            State::Installed => DONE,
            State::NotInstalled => NOT_INSTALLED,
            State::Damaged => DAMAGED,
        })
    }
}

impl Report {
    fn of(installed: &Installed) -> Self {
        let with_rules = installed.rules.iter().filter(|rules| !rules.is_empty());
        let backends: BTreeSet<String> =
            with_rules.map(|rules| format!("iptables-{}", rules.tool.flavour)).collect();
        let digests: BTreeSet<String> =
            installed.stamps().map(|stamp| format!("{:016x}", stamp.digest)).collect();
        // Rules without comments tell no digest.
        let record =
            installed.record.as_ref().filter(|record| digests.is_empty() || digests.contains(&record.digest));
        let damage = damage(installed, &backends, &digests);
        let state = match (installed.is_empty(), &damage) {
            (true, _) => State::NotInstalled,
            (false, None) => State::Installed,
            (false, Some(_)) => State::Damaged,
        };
        // Our rules carry a stamp, unless they were to have no comments; an address without rules is ours where it counts.
        let stampless = digests.is_empty() && !backends.is_empty() && record.is_none();
        let by = if stampless { "kuma".to_owned() } else { author(record) };
        Self {
            state,
            damage: damage.filter(|_| state == State::Damaged),
            installed_by: (state != State::NotInstalled).then_some(by),
            backends: backends.into_iter().collect(),
            digests: digests.into_iter().collect(),
            configuration: record
                .map(|record| record.configuration.clone())
                .filter(|chosen| !chosen.is_null()),
        }
    }

    fn text(&self) -> String {
        let state = match self.state {
            State::Installed => "installed",
            State::NotInstalled => "not installed",
            State::Damaged => "damaged",
        };
        let mut lines = vec![format!("state          {state}")];
        lines.extend(self.damage.iter().map(|damage| format!("damage         {damage}")));
        lines.extend(self.installed_by.iter().map(|by| format!("installed by   {by}")));
        if !self.backends.is_empty() {
            lines.push(format!("backend        {}", self.backends.join(", ")));
        }
        if !self.digests.is_empty() {
            lines.push(format!("digest         {}", self.digests.join(", ")));
        }
        match &self.configuration {
            Some(Value::Object(chosen)) if chosen.is_empty() => {
                lines.push("configuration  all defaults".to_owned());
            }
            Some(Value::Object(chosen)) => {
                lines.push("configuration".to_owned());
                lines.extend(chosen.iter().map(|(key, value)| format!("  {key}: {value}")));
            }
            _ if self.state == State::NotInstalled => {}
            _ => lines.push("configuration  not recorded".to_owned()),
        }
        lines.join("\n") + "\n"
    }
}

fn author(record: Option<&Record>) -> String {
    record.map_or_else(|| "tproxy".to_owned(), |record| format!("tproxy {}", record.version))
}

/// What shows that no single installation is here as a whole.
fn damage(installed: &Installed, backends: &BTreeSet<String>, digests: &BTreeSet<String>) -> Option<String> {
    if backends.is_empty() {
        return Some("the address ::6 of an installation is there, and none of its rules".to_owned());
    }
    if installed.record.as_ref().is_some_and(|record| record.phase == Phase::Applying) {
        return Some("a run was ended before it was done; install or uninstall again".to_owned());
    }
    (backends.len() > 1 || digests.len() > 1)
        .then(|| "rules of more than one installation are here; install or uninstall again".to_owned())
}
