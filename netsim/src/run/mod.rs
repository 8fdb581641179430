//! Runs a variant: topology up, tproxy installed through its built binary, every expectation driven with real traffic,
//! uninstalled, and everything compared with before.
//!
//! Must never judge by the text of a rule: only by what connections did. Rule texts are shown with failures, and
//! compared before and after.

mod connection;
mod flow;
mod oracle;
mod program;
mod query;
mod script;
mod stage;
mod state;
mod support;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tproxy::plan::explain::Explanation;

use crate::actor::ActorError;
use crate::link::{LinkError, NetworkError};
use crate::node::{NodeError, ProcessError};
use crate::scenario::{InstallError, Variant};
use crate::topology::TopologyError;
use stage::Stage;

pub use support::{Missing, supports};

/// What a run needs besides the variant.
#[derive(Debug, Clone)]
pub struct Options {
    /// The tproxy binary to be proven.
    pub tproxy: PathBuf,
}

/// A run that could not be carried out; not a verdict on tproxy.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The topology.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Nodes and links.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// One node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Addresses.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An actor.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// A program.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// The scenario's installation.
    #[error("the scenario's installation: {0}")]
    Install(#[from] InstallError),
}

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The variant's name.
    pub variant: String,
    /// The scenario's sentence.
    pub name: String,
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// The rules that were in force, with counters; empty when everything passed.
    pub rules: String,
    /// From the first node to the last.
    pub elapsed: std::time::Duration,
}

/// One check: what was expected, and what is wrong.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was done, as in `app → peer:8080`.
    pub title: String,
    /// Where it ended, or what it did, in a word or two.
    pub happened: String,
    /// What a program printed, where the check is one.
    pub printed: String,
    /// What the policy says of the flow, where the check is one.
    pub explanation: Option<Explanation>,
    /// Everything that is not as it must be; empty when the check passed.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether every check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(Check::passed)
    }
}

impl Check {
    /// Whether everything was as it must be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Runs one variant.
///
/// # Errors
/// The run itself could not be carried out.
pub fn run(variant: &Variant, options: &Options) -> Result<Report, RunError> {
    let started = Instant::now();
    let stage = Stage::set(variant, options)?;
    let before = Mutex::new(None);
    let mut checks = script::perform(&stage, &before, &variant.scenario.document.script())?;
    let all_passed = checks.iter().all(Check::passed);
    let rules = if all_passed { String::new() } else { stage.rules()? };
    checks.push(stage.uninstall()?);
    if let Some(before) = before.into_inner().unwrap_or_else(PoisonError::into_inner) {
        checks.push(nothing_left(&before, &state::observe(&stage.network)?));
    }
    stage.strike()?;
    let name = variant.scenario.document.name.value.clone();
    Ok(Report { variant: variant.to_string(), name, checks, rules, elapsed: started.elapsed() })
}

fn nothing_left(before: &state::State, after: &state::State) -> Check {
    let problems = before.differences(after);
    Check {
        title: "after uninstalling".to_owned(),
        happened: if problems.is_empty() {
            "rules, chains, addresses and files are as before"
        } else {
            "something is left"
        }
        .to_owned(),
        printed: String::new(),
        explanation: None,
        problems,
    }
}
