//! What a redirection costs: the work of clients through a sidecar to a server, counted and timed.
//!
//! All cases are set up at once, each in nodes of its own, and measured in turn, in random order, so that whatever else
//! the machine does meets all of them. A case that did not redirect what it claims is void. Must never assert a time:
//! figures are reported.

mod case;
mod conclude;
mod environment;
mod exclusions;
mod history;
mod judgement;
mod latency;
mod name;
mod outcome;
mod programs;
mod proof;
mod rig;
mod statistics;
mod suite;

pub use case::{BACKENDS, Case, Direction, Load, Way};
pub use environment::Environment;
pub use history::{Counted, History, Run};
pub use judgement::{Change, Judgement, judge};
pub use outcome::{Comparison, Figure, Measured, Metric, Outcome};
pub use programs::Process;
pub use statistics::{Estimate, Sample, Spread};
pub use suite::Suite;

use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use crate::actor::ActorError;
use crate::link::{LinkError, NetworkError};
use crate::node::{NodeError, ProcessError};
use crate::random::Random;
use crate::topology::TopologyError;
use conclude::{Ran, Revision};
use rig::{Rig, Round};

/// Rounds that are not measured: caches fill, and the kernel allocates.
const WARM_UP: usize = 1;

/// So many networks, half of each family: the same in every run.
#[must_use]
pub fn exclusions(count: usize) -> Vec<IpNet> {
    IpFamily::ALL.iter().flat_map(|family| exclusions::networks(count / 2, *family, &[])).collect()
}

/// What a bench shall do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tproxy binary that installs.
    pub tproxy: PathBuf,
    /// Another one, of another revision: what it installs is measured in turn with that.
    pub against: Option<PathBuf>,
    /// The cases.
    pub cases: Vec<Case>,
    /// The backends whose processes are measured, too.
    pub programs: Vec<BackendId>,
    /// How often each case is measured.
    pub rounds: usize,
    /// How much work a round is: of the usual amount, so many times.
    pub effort: Effort,
    /// Chooses the order of cases, and resamples.
    pub seed: u64,
}

/// How much work a round is.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// What each load usually does, so many times.
    Usual(usize),
    /// So many pieces, of whatever load.
    Pieces(usize),
}

impl Effort {
    /// How many pieces a case does in a round.
    fn of(self, case: Case) -> usize {
        // About a tenth of a second each.
        let usual = match case.load {
            Load::Connections => 400,
            Load::RoundTrips => 2_000,
            Load::Bulk => 48,
            Load::Queries => 800,
        };
        match self {
            Self::Usual(times) => (usual * times).max(case.clients),
            Self::Pieces(pieces) => pieces,
        }
    }
}

/// A bench that could not be carried out; nothing is known of any case.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The topology.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Nodes and links.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// One node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An address.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An actor.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// A program.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// A loading that is measured, and was none.
    #[error("{what} of {backend} loaded no rules")]
    NothingLoaded {
        /// What.
        what: &'static str,
        /// Whose rules.
        backend: BackendId,
    },
    /// A file of a node.
    #[error("cannot read {file} in the pod: {source}")]
    Read {
        /// The file.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A case with what was measured of it so far.
struct Running {
    rig: Rig,
    /// Whose installation it is.
    revision: Revision,
    rounds: Vec<Round>,
    void: Option<String>,
}

impl Running {
    /// Ends it, and keeps what was measured, unless something was not as it claims.
    fn end(self) -> Ran {
        let Self { rig, revision, rounds, void } = self;
        let case = rig.case;
        let mtu = rig.mtu();
        let counted = void.map_or_else(|| rig.counters(), |void| Ok(Some(void)));
        let ended = rig.down();
        match (mtu, counted, ended) {
            (Ok(mtu), Ok(void), Ok(())) => Ran { case, revision, mtu, rounds, void },
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                Ran::void(case, revision, error.to_string())
            }
        }
    }
}

/// Measures all cases, and calls `progress` with the number of each round that begins; the first is the warm-up.
///
/// # Errors
/// tproxy could not be measured as a process. A case that could not be had, or was void, is none: see [`Measured::void`].
pub fn run(options: &Options, mut progress: impl FnMut(usize)) -> Result<Outcome, LoadError> {
    let before = Environment::now();
    let (mut running, mut lost) = (Vec::new(), Vec::new());
    for (case, revision, tproxy) in set_ups(options) {
        // Whoever cannot be set up is void, and the others are measured.
        match Rig::up(case, tproxy) {
            Ok(rig) => running.push(Running { rig, revision, rounds: Vec::new(), void: None }),
            Err(error) => lost.push(Ran::void(case, revision, error.to_string())),
        }
    }
    let mut random = Random::new(options.seed);
    for round in 0..WARM_UP + options.rounds {
        progress(round);
        random.shuffle(&mut running);
        // What is void is not measured further.
        for case in running.iter_mut().filter(|case| case.void.is_none()) {
            match case.rig.round(options.effort.of(case.rig.case)) {
                Ok((measured, void)) => {
                    case.void = void;
                    if round >= WARM_UP {
                        case.rounds.push(measured);
                    }
                }
                Err(error) => case.void = Some(error.to_string()),
            }
        }
    }
    let mut cases: Vec<Ran> = running.into_iter().map(Running::end).chain(lost).collect();
    cases.sort_by_key(|ran| (ran.case, ran.revision));
    let programs = programs::measure(&options.tproxy, &options.programs, options.rounds)?;
    Ok(conclude::conclude(options, before, &cases, programs))
}

/// Every case by the tproxy that is measured, and those with a backend by the one that it is compared with, too.
fn set_ups(options: &Options) -> Vec<(Case, Revision, &Path)> {
    let now = options.cases.iter().map(|case| (*case, Revision::Now, options.tproxy.as_path()));
    let before = options.against.iter().flat_map(|tproxy| {
        let cases = options.cases.iter().filter(|case| case.backend().is_some());
        cases.map(|case| (*case, Revision::Before, tproxy.as_path()))
    });
    now.chain(before).collect()
}
