//! From rounds to figures. Pure.
//!
//! Must never compare rounds that were not measured in turn: the n-th round of a case goes with the n-th of another.

use std::collections::BTreeMap;

use super::latency::latencies;
use super::outcome::{Comparison, Figure, Measured, Metric, Outcome};
use super::rig::Round;
use super::{Case, Environment, Estimate, Options, Process, Sample, environment};

/// Whose installation a case was measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    /// That of the tproxy that is measured.
    Now,
    /// That of the one that it is compared with.
    Before,
}

/// A case with its rounds.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) revision: Revision,
    pub(super) mtu: u32,
    pub(super) rounds: Vec<Round>,
    pub(super) void: Option<String>,
}

impl Ran {
    /// One of which nothing is known but why.
    pub(super) fn void(case: Case, revision: Revision, why: String) -> Self {
        Self { case, revision, mtu: case.mtu, rounds: Vec::new(), void: Some(why) }
    }
}

/// The figures of all cases.
pub(super) fn conclude(
    options: &Options,
    before: Environment,
    cases: &[Ran],
    programs: Vec<Process>,
) -> Outcome {
    Outcome {
        environment: before,
        load_after: environment::load(),
        seed: options.seed,
        rounds: options.rounds,
        cases: cases
            .iter()
            .filter(|ran| ran.revision == Revision::Now)
            .map(|ran| measured(options, ran, cases))
            .collect(),
        programs,
    }
}

fn measured(options: &Options, ran: &Ran, all: &[Ran]) -> Measured {
    let rounds_of = |wanted: Case, revision: Revision| {
        let mut sound = all.iter().filter(|other| other.void.is_none());
        let found = sound.find(|other| other.case == wanted && other.revision == revision);
        found.filter(|_| (wanted, revision) != (ran.case, ran.revision)).map(|found| found.rounds.as_slice())
    };
    let figure = |metric: Metric| {
        let rounds = values(metric, &ran.rounds);
        if rounds.is_empty() {
            return None;
        }
        let compared = |with: Case, revision: Revision| {
            let others = values(metric, rounds_of(with, revision)?);
            Some(compare(options, with, &rounds, &others)).filter(|_| !others.is_empty())
        };
        let to_straight = compared(ran.case.straight(), Revision::Now);
        let to_baseline = ran.case.baseline().and_then(|with| compared(with, Revision::Now));
        let to_before = compared(ran.case, Revision::Before);
        let before = values(metric, rounds_of(ran.case, Revision::Before).unwrap_or_default());
        let spread = rounds.iter().copied().collect::<Sample>().spread();
        Some(Figure { to_straight, to_baseline, to_before, spread, rounds, before })
    };
    // A comparison with what was void would be none.
    let void_before = all.iter().find_map(|other| {
        let reason = other.void.as_ref().filter(|_| other.case == ran.case)?;
        (other.revision == Revision::Before).then(|| format!("before: {reason}"))
    });
    let void = ran.void.clone().or(void_before);
    let figures = match void {
        Some(_) => BTreeMap::new(),
        None => Metric::ALL.into_iter().filter_map(|metric| Some((metric, figure(metric)?))).collect(),
    };
    Measured {
        case: ran.case,
        mtu: ran.mtu,
        pieces: ran.rounds.first().map_or(0, |round| round.pieces),
        void,
        figures,
    }
}

/// Of each round, or of latencies of some together; nothing where too few pieces were timed to say.
fn values(metric: Metric, rounds: &[Round]) -> Vec<f64> {
    let of_each = |value: fn(&Round) -> f64| rounds.iter().map(value).collect();
    match metric {
        Metric::Rate => of_each(|round| round.pieces as f64 / round.wall.as_secs_f64()),
        Metric::PodCpu => of_each(|round| round.pod.as_secs_f64() * 1e6 / round.pieces as f64),
        Metric::BothCpu => {
            of_each(|round| (round.pod + round.peer).as_secs_f64() * 1e6 / round.pieces as f64)
        }
        Metric::P50 | Metric::P90 | Metric::P99 | Metric::P999 => latencies(metric, rounds),
    }
}

fn compare(options: &Options, with: Case, own: &[f64], others: &[f64]) -> Comparison {
    let more = round_by_round(own, others, |own, other| own - other).estimate(options.seed);
    Comparison { with, ratio: ratio(own, others, options.seed), more }
}

/// How one sample is to another that was measured in turn with it.
pub(super) fn ratio(own: &[f64], others: &[f64], seed: u64) -> Estimate {
    round_by_round(own, others, |own, other| own / other).estimate(seed)
}

fn round_by_round(own: &[f64], others: &[f64], of: fn(f64, f64) -> f64) -> Sample {
    own.iter().zip(others).map(|(own, other)| of(*own, *other)).collect()
}
