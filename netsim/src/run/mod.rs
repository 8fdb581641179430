//! Runs a variant: topology up, tproxy installed through its built binary, every expectation driven with real traffic,
//! uninstalled, and everything compared with before.
//!
//! Must never judge by the text of a rule: only by what connections did. Rule texts are shown with failures, and
//! compared before and after.

mod breakage;
mod cast;
mod connection;
mod counters;
mod crowd;
mod evidence;
mod faults;
mod flow;
mod kept;
mod kernel_log;
mod loss;
mod maps_broken;
mod mutant;
mod oracle;
mod ports;
mod program;
mod programs_broken;
mod proxy;
mod query;
mod script;
mod stage;
mod state;
mod support;
mod testimony;
mod trees;
mod wires;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use tproxy::backend::BackendId;
use tproxy::family::IpFamily;
use tproxy::plan::explain::Explanation;

use crate::actor::ActorError;
use crate::link::{LinkError, Network, NetworkError};
use crate::node::{NodeError, ProcessError};
use crate::scenario::{Ending, InstallError, Variant};
use crate::topology::TopologyError;
use crate::wire::WireError;
use mutant::Mutation;
use stage::Stage;
use testimony::command_line;

pub use evidence::EvidencePlace;
pub use mutant::Mutant;
pub(crate) use stage::legacy_programs;
pub use support::{Missing, supports, supports_family};
pub use testimony::Testimony;

/// What a run needs besides the variant.
#[derive(Debug, Clone)]
pub struct Options {
    /// The tproxy binary to be proven.
    pub tproxy: PathBuf,
    /// Where each variant that fails gets a folder of its own, with all that is known of it; none by default.
    pub evidence: Option<EvidencePlace>,
    /// From which ports flows come follows from it.
    pub seed: u64,
    /// Programs beside the machine's that every node has, by name, from a path of the machine.
    pub programs: Vec<(String, PathBuf)>,
}

impl Options {
    /// A run of this binary that leaves nothing, with the seed 0.
    #[must_use]
    pub fn new(tproxy: PathBuf) -> Self {
        Self { tproxy, evidence: None, seed: 0, programs: Vec::new() }
    }

    /// With another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With these programs in every node.
    #[must_use]
    pub fn programs(mut self, programs: Vec<(String, PathBuf)>) -> Self {
        self.programs = programs;
        self
    }

    /// With evidence of what fails.
    #[must_use]
    pub fn evidence(mut self, place: EvidencePlace) -> Self {
        self.evidence = Some(place);
        self
    }
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
    /// A wire.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A connection that no step has opened so far.
    #[error("no connection `{name}` is open: was it answered when it was opened?")]
    NotOpen {
        /// What the scenario calls it.
        name: String,
    },
    /// Something that did not happen beside a list of steps.
    #[error("{what} has not happened {times} times within {within:?}")]
    NotHappened {
        /// What was waited for.
        what: String,
        /// How often.
        times: usize,
        /// How long was waited.
        within: std::time::Duration,
    },
    /// Evidence of an earlier run that stays.
    #[error("cannot remove the evidence of an earlier run, {}: {error}", folder.display())]
    OldEvidence {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A rule that was to break what is installed.
    #[error("the kernel does not take a broken rule: {0}")]
    Unbreakable(ProcessError),
    /// Maps that were to be broken.
    #[error("the maps cannot be broken: {0}")]
    Maps(String),
    /// Something that is not there, and must be.
    #[error("{0}")]
    Required(String),
    /// Any of these, with what is known beside it.
    #[error("{error}\n{testimony}")]
    Witnessed {
        /// What went wrong.
        error: Box<RunError>,
        /// What is known.
        testimony: Testimony,
    },
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
    /// Where more is told, when something failed.
    pub testimony: Option<Testimony>,
    /// From the first node to the last.
    pub elapsed: std::time::Duration,
}

/// What a check judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What packets did.
    Traffic,
    /// What a run of tproxy, or of another program that changes rules, did.
    Rules,
    /// What is left of it all.
    State,
}

/// One check: what was expected, and what is wrong.
#[derive(Debug, Clone)]
pub struct Check {
    /// What it judges.
    pub about: About,
    /// What was done, as in `app → peer:8080`.
    pub title: String,
    /// Where it ended, or what it did, in a word or two.
    pub happened: String,
    /// By whom the traffic came, from the sender to whoever answered or the way in which it ended; empty where the check
    /// is not about one flow.
    pub path: Vec<String>,
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
    /// A check of what has happened.
    fn new(about: About, title: String, happened: impl Into<String>, problems: Vec<String>) -> Self {
        let (happened, printed) = (happened.into(), String::new());
        Self { about, title, happened, path: Vec::new(), printed, explanation: None, problems }
    }

    /// The same, with whom the traffic came by.
    fn along(mut self, path: impl IntoIterator<Item = impl ToString>) -> Self {
        self.path = path.into_iter().map(|actor| actor.to_string()).collect();
        self
    }

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
    Ok(perform(variant, options, Mutation::None, |_, _| ())?.0)
}

/// Runs one variant, and calls `pause` after its last step, while everything is still in place, whatever failed.
///
/// # Errors
/// As [`run`].
pub fn kept(
    variant: &Variant,
    options: &Options,
    pause: impl FnOnce(Result<&[Check], &RunError>, &Network),
) -> Result<Report, RunError> {
    Ok(perform(variant, options, Mutation::None, pause)?.0)
}

/// Runs one variant, and tells in which ways what is installed could be broken in its family.
///
/// # Errors
/// As [`run`].
pub fn rules(variant: &Variant, options: &Options) -> Result<(Report, BTreeSet<Mutant>), RunError> {
    perform(variant, options, Mutation::Look, |_, _| ())
}

/// Runs one variant with what tproxy installed broken in one place.
///
/// # Errors
/// As [`run`].
pub fn mutated(variant: &Variant, options: &Options, mutant: &Mutant) -> Result<Report, RunError> {
    Ok(perform(variant, options, Mutation::Break(mutant.clone()), |_, _| ())?.0)
}

fn perform(
    variant: &Variant,
    options: &Options,
    mutation: Mutation,
    pause: impl FnOnce(Result<&[Check], &RunError>, &Network),
) -> Result<(Report, BTreeSet<Mutant>), RunError> {
    let _turn = Turn::take(variant.scenario.document.exclusive);
    let started = Instant::now();
    let stage = Stage::set(variant, options, mutation)?;
    let before = Mutex::new(None);
    let found = conduct(&stage, &before, variant, pause);
    let testimony = testimony(&stage, variant, &found);
    let (checks, rules) = match (found, testimony.clone()) {
        (Err(error), Some(testimony)) => {
            return Err(RunError::Witnessed { error: Box::new(error), testimony });
        }
        (found, _) => found?,
    };
    let mutants = stage.mutants();
    stage.strike()?;
    let name = variant.scenario.document.name.value.clone();
    let elapsed = started.elapsed();
    Ok((Report { variant: variant.to_string(), name, checks, rules, testimony, elapsed }, mutants))
}

/// All checks, and the rules that were in force where one failed.
fn conduct(
    stage: &Stage,
    before: &Mutex<Option<state::State>>,
    variant: &Variant,
    pause: impl FnOnce(Result<&[Check], &RunError>, &Network),
) -> Result<(Vec<Check>, String), RunError> {
    let performed = script::perform(stage, before, &variant.scenario.document.script());
    pause(performed.as_deref(), &stage.network);
    let mut checks = performed?;
    checks.extend(stage.failed_programs());
    let all_passed = checks.iter().all(Check::passed);
    let rules = if all_passed { String::new() } else { stage.rules()? };
    checks.push(stage.uninstall(&Ending::default())?);
    stage.take_addresses_back()?;
    checks.extend(nothing_left(stage, before)?);
    Ok((checks, rules))
}

/// What is to be told of a variant that failed; `None` where it passed.
fn testimony(
    stage: &Stage,
    variant: &Variant,
    found: &Result<(Vec<Check>, String), RunError>,
) -> Option<Testimony> {
    let (found, rules) = match found {
        Ok((checks, _)) if checks.iter().all(Check::passed) => return None,
        Ok((checks, rules)) => (Ok(checks.as_slice()), rules.as_str()),
        // An error without evidence stays what it is.
        Err(_) if stage.witness.is_none() => return None,
        Err(error) => (Err(error), ""),
    };
    let witness = stage.witness.as_ref();
    let folder = witness.map(|witness| witness.testify(stage, variant, found, rules));
    Some(Testimony { folder, alone: command_line(variant, stage.seed) })
}

/// The right to run: beside others, or alone.
enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl Turn {
    fn take(alone: bool) -> Self {
        static TURNS: RwLock<()> = RwLock::new(());
        if alone {
            Self::Alone { _guard: TURNS.write().unwrap_or_else(PoisonError::into_inner) }
        } else {
            Self::Shared { _guard: TURNS.read().unwrap_or_else(PoisonError::into_inner) }
        }
    }
}

/// Compares everything with the state before the first installation; nothing where there was none.
fn nothing_left(stage: &Stage, before: &Mutex<Option<state::State>>) -> Result<Option<Check>, RunError> {
    let before = before.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(before) = &*before else { return Ok(None) };
    let problems = before.differences(&state::observe(&stage.network)?);
    let happened = if problems.is_empty() {
        "rules, chains, addresses, routes, settings and files are as before"
    } else {
        "something is left"
    };
    Ok(Some(Check::new(About::State, "after uninstalling".to_owned(), happened, problems)))
}

/// The program of the variant's flavour and family that saves or restores rules.
fn rules_program(stage: &Stage, what: &str) -> String {
    let base = if stage.family == IpFamily::V4 { "iptables" } else { "ip6tables" };
    format!("{base}-{}-{what}", flavour(stage))
}

/// Whose programs show and change the variant's rules.
fn flavour(stage: &Stage) -> &'static str {
    if stage.backend == BackendId::IptablesLegacy { "legacy" } else { "nft" }
}
