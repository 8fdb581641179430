//! `netsim fuzz`: draws options and flows, installs, sends, and compares what happened with what tproxy's policy says, what
//! the generator says itself, and what the other backends did.
//!
//! Must never judge by rule text, and never believe the policy alone: flows that were built to match or to miss an option
//! have a claim of their own.

mod aim;
mod draw;
mod judge;
mod lab;
mod options;
mod reproduce;
mod shrink;
mod world;

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tproxy::backend::BackendId;

use crate::actor::{ActorError, Outcome};
use crate::link::NetworkError;
use crate::node::{NodeError, ProcessError};
use crate::random::Random;
use crate::topology::TopologyError;
use judge::Mismatch;
use lab::Lab;
use options::Options as Drawn;
use world::{Claim, Shot};

/// What shall be drawn.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tproxy binary to be proven.
    pub tproxy: PathBuf,
    /// Programs that it needs beside those of the machine, by the names that it calls them by.
    pub programs: Vec<(String, PathBuf)>,
    /// Where the numbers come from: the same seed draws the same cases.
    pub seed: u64,
    /// How many installations.
    pub cases: u64,
    /// The first of them; those before are drawn, too, but not run.
    pub first: u64,
    /// How many flows are drawn for an installation without an aim.
    pub flows: usize,
    /// The backends, each in a network of its own.
    pub backends: Vec<BackendId>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How many installations, counted once whatever the number of backends.
    pub cases: u64,
    /// How many flows were sent, on all backends.
    pub flows: u64,
    /// How many of them had a claim of the generator's own.
    pub claimed: u64,
    /// Drawn options that tproxy refuses, as it should those that contradict each other.
    pub refused: u64,
    /// What went wrong, each as a text with a scenario that reproduces it.
    pub failures: Vec<String>,
    /// How long the flows took, without installations.
    pub sending: Duration,
    /// How long all of it took.
    pub elapsed: Duration,
}

/// A run that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// The layout of the network.
    #[error("the layout: {0}")]
    Layout(#[from] serde_saphyr::Error),
    /// The topology.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Nodes and links.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// One node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An actor.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// A program.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// tproxy refused what its own library takes.
    #[error("tproxy does not install {options}: {said}")]
    Refused {
        /// The options.
        options: String,
        /// What it said.
        said: String,
    },
}

/// One flow that went wrong.
#[derive(Clone, Debug)]
struct Failure {
    seed: u64,
    case: u64,
    backend: BackendId,
    options: Drawn,
    shot: Shot,
    /// What the policy expects.
    expected: Option<Claim>,
    mismatch: Mismatch,
}

/// Failures after which a run ends: more would say the same.
const ENOUGH: usize = 5;

/// Draws, installs, sends and compares. `progress` is told after each case.
///
/// # Errors
/// The run could not be carried out.
pub fn run(options: &Options, mut progress: impl FnMut(&Found)) -> Result<Found, FuzzError> {
    let started = Instant::now();
    let labs = options.backends.iter().map(|backend| Lab::up(*backend, options));
    let labs = labs.collect::<Result<Vec<_>, _>>()?;
    let mut found = Found::default();
    for case in options.first..options.first + options.cases {
        let (drawn, shots) = draw_case(options, case);
        one(options, &labs, case, &drawn, &shots, &mut found)?;
        found.elapsed = started.elapsed();
        progress(&found);
        if found.failures.len() >= ENOUGH {
            break;
        }
    }
    for lab in labs {
        lab.uninstall()?;
        lab.down()?;
    }
    found.elapsed = started.elapsed();
    Ok(found)
}

/// The options and flows of a case, which depend on nothing but the seed and its number.
fn draw_case(options: &Options, case: u64) -> (Drawn, Vec<Shot>) {
    let mut random = Random::new(options.seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    random.next();
    // Those with an aim have fewer flows each: so many of them that more than a quarter of all flows have one, from the
    // first case on.
    if case % 4 != 3
        && let Some(aimed) = aim::aimed(&mut random)
    {
        return (aimed.options, aimed.shots);
    }
    let drawn = draw::options(&mut random);
    let shots = (0..options.flows).map(|_| draw::shot(&mut random)).collect();
    (drawn, shots)
}

fn one(
    options: &Options,
    labs: &[Lab],
    case: u64,
    drawn: &Drawn,
    shots: &[Shot],
    found: &mut Found,
) -> Result<(), FuzzError> {
    let able: Vec<&Lab> = labs.iter().filter(|lab| !drawn.is_too_much_for(lab.backend())).collect();
    let plans: Result<Vec<_>, _> =
        able.iter().map(|lab| judge::plan(drawn, lab.backend(), lab.topology())).collect();
    let Some((first, plans)) = able.first().copied().zip(plans.ok()) else {
        found.refused += 1;
        return Ok(());
    };
    found.cases += 1;
    let meanings = plans.first().map(|plan| plan.policy.engine).unwrap_or_default();
    // Each backend has a network of its own, so that none waits for another.
    let played: Vec<Result<Played, FuzzError>> = thread::scope(|scope| {
        let pairs = able.iter().zip(&plans);
        let started: Vec<_> = pairs
            .map(|(lab, plan)| scope.spawn(|| play(lab, drawn, shots, plan.policy.sidecar_uid)))
            .collect();
        started.into_iter().map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let played = played.into_iter().collect::<Result<Vec<_>, _>>()?;
    found.sending += played.iter().map(|played| played.sending).max().unwrap_or_default();
    let of_first = played.first().map(|played| played.outcomes.as_slice());
    for (number, ((lab, plan), Played { outcomes, .. })) in able.iter().zip(&plans).zip(&played).enumerate() {
        found.flows += shots.len() as u64;
        found.claimed += shots.iter().filter(|shot| shot.claim.is_some()).count() as u64;
        let wrong = shots
            .iter()
            .zip(outcomes)
            .find_map(|(shot, outcome)| Some((shot, judge::judge(shot, plan, lab.topology(), outcome)?)));
        if let Some((shot, mismatch)) = wrong {
            let failure = Failure {
                seed: options.seed,
                case,
                backend: lab.backend(),
                options: drawn.clone(),
                shot: shot.clone(),
                expected: None,
                mismatch,
            };
            found.failures.push(report(lab, failure)?);
        }
        // Where backends mean different things, the policy has told.
        let of_another = of_first.filter(|_| number > 0 && plan.policy.engine == meanings);
        found.failures.extend(differing(lab, first, shots, of_another, outcomes));
    }
    Ok(())
}

/// What became of the flows of a case on one backend.
struct Played {
    outcomes: Vec<Outcome>,
    sending: Duration,
}

fn play(lab: &Lab, drawn: &Drawn, shots: &[Shot], sidecar: u32) -> Result<Played, FuzzError> {
    lab.install(drawn, sidecar)?;
    let begun = Instant::now();
    let outcomes = lab.send(shots)?;
    Ok(Played { outcomes, sending: begun.elapsed() })
}

/// The first flow that went otherwise on another backend.
fn differing(
    lab: &Lab,
    first: &Lab,
    shots: &[Shot],
    of_first: Option<&[Outcome]>,
    outcomes: &[Outcome],
) -> Option<String> {
    let pairs = shots.iter().zip(of_first?.iter().zip(outcomes));
    let (shot, (before, now)) =
        pairs.into_iter().find(|(_, (before, now))| judge::words(before) != judge::words(now))?;
    Some(format!(
        "{} → {} ({:?}): on {} {}, on {} {}\n",
        shot.from.name(),
        shot.to,
        shot.transport,
        first.backend(),
        judge::words(before),
        lab.backend(),
        judge::words(now)
    ))
}

/// Shrinks a failure and writes it down.
fn report(lab: &Lab, failure: Failure) -> Result<String, FuzzError> {
    let drawn = failure.options.to_string();
    let mut smallest = shrink::smallest(lab, failure)?;
    if let Ok(plan) = judge::plan(&smallest.options, lab.backend(), lab.topology()) {
        smallest.expected = judge::expected(&smallest.shot, &plan, lab.topology());
    }
    let text = reproduce::scenario(&smallest, lab.topology());
    Ok(format!("{}\n# drawn as: tproxy install {drawn}\n{text}", smallest.mismatch))
}
