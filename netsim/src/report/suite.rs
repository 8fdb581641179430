//! All variants of a run, with how each ended: what every format is made from.
//!
//! Must never judge: it counts what was found.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use crate::run::{Check, Report, RunError};
use crate::scenario::{POD, Variant, people};
use crate::topology::Topology;

/// How a variant ended.
#[derive(Debug)]
pub enum Outcome {
    /// It was run, or could not be.
    Ran(Result<Report, RunError>),
    /// What it needs is not here, and that is accepted.
    Skipped(String),
    /// What it needs is not here, and must be.
    Missing(String),
}

/// One variant.
#[derive(Debug)]
pub struct Case {
    /// Its name, as in `outbound/default::iptables-nft::ipv4`.
    pub name: String,
    /// What its scenario shows, a sentence.
    pub sentence: String,
    /// The folder of its scenario, which groups it with others.
    pub feature: String,
    /// The scenario's file.
    pub file: String,
    /// Its backend.
    pub backend: BackendId,
    /// Its family.
    pub family: IpFamily,
    /// Where it took place; `None` where that is unknown.
    pub setting: Option<Setting>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Case {
    /// A variant that has ended.
    #[must_use]
    pub fn new(variant: &Variant, outcome: Outcome) -> Self {
        let id = &variant.scenario.id;
        Self {
            name: variant.to_string(),
            sentence: variant.scenario.document.name.value.clone(),
            feature: id.split_once('/').map_or(id.as_str(), |(folder, _)| folder).to_owned(),
            file: variant.scenario.source.name.clone(),
            backend: variant.backend,
            family: variant.family,
            setting: Setting::of(variant),
            outcome,
        }
    }

    /// In a word.
    #[must_use]
    pub fn result(&self) -> CaseResult {
        match &self.outcome {
            Outcome::Ran(Ok(report)) if report.passed() => CaseResult::Passed,
            Outcome::Ran(Ok(_)) => CaseResult::Failed,
            Outcome::Ran(Err(_)) | Outcome::Missing(_) => CaseResult::Error,
            Outcome::Skipped(_) => CaseResult::Skipped,
        }
    }

    /// Its checks, where it was run.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        match &self.outcome {
            Outcome::Ran(Ok(report)) => &report.checks,
            _ => &[],
        }
    }

    /// Why it was not run, or what is wrong, in lines; empty where it passed.
    #[must_use]
    pub fn trouble(&self) -> String {
        match &self.outcome {
            Outcome::Ran(Ok(report)) if report.passed() => String::new(),
            Outcome::Ran(Ok(report)) => super::failure(report),
            Outcome::Ran(Err(error)) => super::plain(&format!("could not be run: {error}")),
            Outcome::Skipped(reason) | Outcome::Missing(reason) => reason.clone(),
        }
    }

    /// The folder with all that is known of a failure, where there is one.
    #[must_use]
    pub fn evidence(&self) -> Option<&Path> {
        let testimony = match &self.outcome {
            Outcome::Ran(Ok(report)) => report.testimony.as_ref(),
            Outcome::Ran(Err(RunError::Witnessed { testimony, .. })) => Some(testimony),
            _ => None,
        };
        testimony.and_then(|testimony| testimony.folder.as_ref()?.as_deref().ok())
    }

    /// How long it took, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match &self.outcome {
            Outcome::Ran(Ok(report)) => report.elapsed.as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// The nodes of a variant, and who is where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// How nodes are joined.
    pub topology: Topology,
    /// The node of everybody who sends or answers.
    pub whereabouts: BTreeMap<String, String>,
}

impl Setting {
    fn of(variant: &Variant) -> Option<Self> {
        let document = &variant.scenario.document;
        let topology = document.topology.value.topology().ok()?;
        let people = people(document, &topology).into_iter();
        let mut whereabouts: BTreeMap<String, String> =
            people.map(|(who, person)| (who.to_string(), person.node)).collect();
        let parts = ["sidecar-outbound", "sidecar-inbound", "sidecar-dns", "resolver"];
        whereabouts.extend(parts.map(|part| (part.to_owned(), POD.to_owned())));
        let server = topology.name_server().map(|place| ("nameserver".to_owned(), place.node.clone()));
        whereabouts.extend(server);
        Some(Self { topology, whereabouts })
    }
}

/// How a variant ended, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseResult {
    /// Everything was as it must be.
    Passed,
    /// Something was not.
    Failed,
    /// It could not be run, though it must.
    Error,
    /// It could not be run here.
    Skipped,
}

impl CaseResult {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// How many cases ended so.
#[must_use]
pub fn count(cases: &[Case], result: CaseResult) -> usize {
    cases.iter().filter(|case| case.result() == result).count()
}
