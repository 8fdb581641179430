//! `tproxy status`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Surroundings;
use super::beside;
use super::error::{CliError, DAMAGED, DONE, NOT_INSTALLED};
use super::install::read_record;
use super::table::aligned;
use crate::apply::guardian;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::record::Record;
use crate::backend::BackendId;
use crate::backend::iptables::Iptables;
use crate::config::Config;
use crate::ebpf::render::Installed;
use crate::family::IpFamily;
use crate::firewalld::DirectFile;
use crate::host::{self, clock};
use crate::verify::assess::{Assessment, Author, assess};
use crate::verify::counters::{LineCounters, by_line};
use crate::verify::finding::{Finding, What};
use crate::verify::programs::{LineCalls, calls, ebpf};

/// Said where an installation is of IPv4 alone, and the host has IPv6, perhaps only since.
const IPV6_PASSES: &str =
    "this host has IPv6, and only IPv4 is captured; install again to capture both, unless it is to be so";

/// How long another run may take until what is there is told as it is.
const ANOTHER_RUN: Duration = Duration::from_secs(30);

/// The flags of `tproxy status`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy status || tproxy install --config /etc/tproxy/config.yaml

Exit codes: 0 installed and intact, 3 not installed, 4 damaged")]
pub(super) struct Status {}

/// What is installed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    state: State,
    /// What is wrong; nothing where all is whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<Damage>,
    /// What should be known, though nothing is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'static str>,
    /// `tproxy`, with the version where it is recorded, or `kuma`.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_by: Option<String>,
    /// Where somebody has to confirm it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unconfirmed: Option<Waiting>,
    /// Backends whose rules are here.
    backends: Vec<String>,
    /// Digests of what is installed, 16 hexadecimal digits each.
    digests: Vec<String>,
    /// The settings that were chosen, where they are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Value>,
    /// What each line of the policy counted; nothing where rules do not name their lines and no record does.
    #[serde(skip_serializing_if = "Counted::is_empty")]
    counters: Counted,
}

/// What was counted: by rules packets and bytes, by programs calls and connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Counted {
    Packets(Vec<LineCounters>),
    Calls(Vec<LineCalls>),
}

impl Counted {
    fn is_empty(&self) -> bool {
        match self {
            Self::Packets(lines) => lines.is_empty(),
            Self::Calls(lines) => lines.is_empty(),
        }
    }
}

/// What waits to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    /// For how many seconds more, rounded up; 0 when the time is over.
    seconds_left: u64,
    /// Whether there is somebody who returns the state before.
    guarded: bool,
}

impl Waiting {
    fn of(record: Option<&Record>) -> Result<Option<Self>, CliError> {
        let Some(unconfirmed) = record.and_then(|record| record.unconfirmed.as_ref()) else {
            return Ok(None);
        };
        let left = unconfirmed.left(clock::since_boot()?);
        let seconds_left = left.map_or(0, |left| left.as_secs() + 1);
        Ok(Some(Self { seconds_left, guarded: guardian::is_there() }))
    }

    fn text(self) -> String {
        match self.seconds_left {
            0 => "confirm        too late: the state before comes back".to_owned(),
            left => format!("confirm        within {left} s, else the state before comes back"),
        }
    }
}

/// A finding, and the sentence that it is in text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Damage {
    #[serde(flatten)]
    finding: Finding,
    says: String,
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
        let mut report = Report::look(surroundings)?;
        // What looks damaged may be another run's work, half done: whoever has the lock sees none.
        if report.state == State::Damaged
            && let Ok(_lock) = Lock::acquire(ANOTHER_RUN)
        {
            report = Report::look(surroundings)?;
        }
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
    fn look(surroundings: &mut Surroundings<'_>) -> Result<Self, CliError> {
        let facts = host::facts(&Config::default())?;
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let record = read_record(&journal, surroundings);
        if let Some(captured) = beside::installed(&facts.loopback, record.clone())? {
            return Ok(Self::of_programs(&captured, Waiting::of(record.as_ref())?));
        }
        let backend = Iptables::for_removal(record.as_ref(), &facts.loopback)?;
        backend.sees_all_of(record.as_ref())?;
        let unconfirmed = Waiting::of(record.as_ref())?;
        let shown = backend.shown()?;
        let installed = backend.installed(shown.clone(), record)?;
        let mut assessment = assess(&installed);
        if unconfirmed.is_some_and(|waiting| !waiting.guarded) {
            assessment.findings.push(Finding::new(What::Unguarded));
        }
        if assessment.record.is_some_and(|record| record.stored) && !is_stored() {
            assessment.findings.push(Finding::new(What::StoredMissing));
        }
        let counters = by_line(&shown, assessment.record);
        let leaves_ipv6 = facts.without_ipv6.is_none() && assessment.leaves_ipv6_alone(&installed);
        let mut report = Self::of(assessment, unconfirmed, counters);
        report.warnings.extend(leaves_ipv6.then_some(IPV6_PASSES));
        Ok(report)
    }

    /// Where programs capture.
    fn of_programs(installed: &Installed, unconfirmed: Option<Waiting>) -> Self {
        let record = installed.record.as_ref();
        let mut damage = ebpf(installed);
        if unconfirmed.is_some_and(|waiting| !waiting.guarded) {
            damage.push(Finding::new(What::Unguarded));
        }
        let state = match (installed.found.is_empty(), damage.is_empty()) {
            (true, true) => State::NotInstalled,
            (false, true) => State::Installed,
            (_, false) => State::Damaged,
        };
        let digests = installed.found.iter().map(|found| format!("{:016x}", found.contents.instance.digest));
        Self {
            state,
            damage: damage.into_iter().map(|finding| Damage { says: finding.to_string(), finding }).collect(),
            warnings: Vec::new(),
            installed_by: (state != State::NotInstalled).then(|| name(Author::Tproxy, record)),
            unconfirmed,
            backends: installed.found.iter().map(|_| BackendId::Ebpf.to_string()).collect(),
            digests: digests.collect(),
            configuration: record
                .map(|record| record.configuration.clone())
                .filter(|chosen| !chosen.is_null()),
            counters: Counted::Calls(calls(installed)),
        }
    }

    fn of(assessment: Assessment<'_>, unconfirmed: Option<Waiting>, counters: Vec<LineCounters>) -> Self {
        let record = assessment.record;
        let state = match assessment.author {
            None => State::NotInstalled,
            Some(_) if assessment.findings.is_empty() => State::Installed,
            Some(_) => State::Damaged,
        };
        let says = |finding: Finding| Damage { says: finding.to_string(), finding };
        Self {
            state,
            damage: assessment.findings.into_iter().map(says).collect(),
            warnings: Vec::new(),
            installed_by: assessment.author.map(|author| name(author, record)),
            unconfirmed,
            backends: assessment.flavours.iter().map(|flavour| format!("iptables-{flavour}")).collect(),
            digests: assessment.digests.iter().map(|digest| format!("{digest:016x}")).collect(),
            configuration: record
                .map(|record| record.configuration.clone())
                .filter(|chosen| !chosen.is_null()),
            counters: Counted::Packets(counters),
        }
    }

    fn text(&self) -> String {
        let state = match self.state {
            State::Installed => "installed",
            State::NotInstalled => "not installed",
            State::Damaged => "damaged",
        };
        let mut lines = vec![format!("state          {state}")];
        lines.extend(self.unconfirmed.filter(|waiting| waiting.guarded).map(Waiting::text));
        lines.extend(self.damage_lines());
        lines.extend(self.warnings.iter().map(|warning| format!("warning        {warning}")));
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
                lines.extend(chosen.iter().map(|(key, value)| format!("  {key}: {}", shown(value))));
            }
            _ if self.state == State::NotInstalled => {}
            _ => lines.push("configuration  not recorded".to_owned()),
        }
        let mut text = lines.join("\n") + "\n";
        if !self.backends.is_empty() {
            text.push_str(&self.counters_text());
        }
        text
    }

    /// A line a finding, as many as somebody reads.
    fn damage_lines(&self) -> Vec<String> {
        const MOST: usize = 20;
        let shown = self.damage.iter().take(MOST).map(|damage| format!("damage         {}", damage.says));
        let mut lines: Vec<String> = shown.collect();
        if let Some(more) = self.damage.len().checked_sub(MOST).filter(|more| *more > 0) {
            lines.push(format!("damage         and {more} more; --json prints all"));
        }
        if !lines.is_empty() {
            lines.push("what to do     install or uninstall again".to_owned());
        }
        lines
    }

    fn counters_text(&self) -> String {
        let lines = match &self.counters {
            Counted::Calls(lines) => return calls_text(lines),
            Counted::Packets(lines) => lines,
        };
        if lines.is_empty() {
            return "counters       not known by line: the rules do not name their lines, and no record does\n".to_owned();
        }
        let of_family = |line: &LineCounters, family| match line.families.get(&family) {
            Some(counters) => (counters.packets.to_string(), counters.bytes.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let rows: Vec<[String; 7]> = lines
            .iter()
            .map(|line| {
                let (v4, v6) = (of_family(line, IpFamily::V4), of_family(line, IpFamily::V6));
                let sum = (line.sum.packets.to_string(), line.sum.bytes.to_string());
                [line.line.clone(), sum.0, sum.1, v4.0, v4.1, v6.0, v6.1]
            })
            .collect();
        let headings =
            ["counters", "packets", "bytes", "IPv4 packets", "IPv4 bytes", "IPv6 packets", "IPv6 bytes"];
        aligned(headings, &rows)
    }
}

fn calls_text(lines: &[LineCalls]) -> String {
    let rows: Vec<[String; 4]> = lines
        .iter()
        .map(|line| {
            let numbers =
                [line.packets, line.ipv4.packets, line.ipv6.packets].map(|number| number.to_string());
            let [sum, v4, v6] = numbers;
            [line.line.clone(), sum, v4, v6]
        })
        .collect();
    aligned(["counters", "packets", "IPv4 packets", "IPv6 packets"], &rows)
}

/// Whether rules of ours are in firewalld's configuration. What cannot be read is not missing.
fn is_stored() -> bool {
    match host::firewalld::direct() {
        Ok((_, text)) => text.as_deref().is_some_and(DirectFile::is_ours_in),
        Err(error) => !error.is_gone(),
    }
}

/// A setting's value on one line: of a long list the beginning.
fn shown(value: &Value) -> String {
    const MOST: usize = 20;
    let Value::Array(items) = value else { return value.to_string() };
    let Some(more) = items.len().checked_sub(MOST).filter(|more| *more > 0) else { return value.to_string() };
    let first: Vec<String> = items.iter().take(MOST).map(Value::to_string).collect();
    format!("[{}] and {more} more; --json prints all", first.join(","))
}

fn name(author: Author, record: Option<&Record>) -> String {
    match (author, record) {
        (Author::Kuma, _) => "kuma".to_owned(),
        (Author::Tproxy, Some(record)) => format!("tproxy {}", record.version),
        (Author::Tproxy, None) => "tproxy".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_long_list_the_beginning_is_shown_and_how_many_there_are() {
        let items: Vec<u32> = (1..=21).collect();
        assert_eq!(
            shown(&json!(items)),
            "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20] and 1 more; --json prints all"
        );
        assert_eq!(shown(&json!(["10.0.0.0/8", 80])), "[\"10.0.0.0/8\",80]");
        assert_eq!(shown(&json!(true)), "true");
    }
}
