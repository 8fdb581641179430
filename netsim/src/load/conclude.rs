//! From rounds to figures. Pure.
//!
//! Must never compare rounds that were not measured in turn: the n-th round of a case goes with the n-th of another.

use std::collections::BTreeMap;

use super::outcome::{Comparison, Figure, Measured, Metric, Outcome};
use super::rig::Round;
use super::{Case, Environment, Estimate, Options, Sample, environment};

/// A case with its rounds.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) mtu: u32,
    pub(super) rounds: Vec<Round>,
    pub(super) void: Option<String>,
}

/// The figures of all cases.
pub(super) fn conclude(options: &Options, before: Environment, cases: &[Ran]) -> Outcome {
    Outcome {
        environment: before,
        load_after: environment::load(),
        family: options.family.to_string(),
        seed: options.seed,
        rounds: options.rounds,
        cases: cases.iter().map(|ran| measured(options, ran, cases)).collect(),
    }
}

fn measured(options: &Options, ran: &Ran, all: &[Ran]) -> Measured {
    let rounds_of = |wanted: Case| {
        let found = all.iter().find(|other| other.case == wanted && other.void.is_none());
        found.filter(|_| wanted != ran.case).map(|found| found.rounds.as_slice())
    };
    let figure = |metric: Metric| {
        let rounds: Vec<f64> = ran.rounds.iter().map(|round| value(metric, round)).collect();
        let compared = |with: Case| {
            let others = rounds_of(with)?;
            let others: Vec<f64> = others.iter().map(|round| value(metric, round)).collect();
            Some(compare(options, with, &rounds, &others))
        };
        let to_straight = compared(ran.case.straight());
        let to_baseline = ran.case.baseline().and_then(compared);
        let spread = rounds.iter().copied().collect::<Sample>().spread();
        Figure { to_straight, to_baseline, spread, rounds }
    };
    let figures = match ran.void {
        Some(_) => BTreeMap::new(),
        None => Metric::ALL.into_iter().map(|metric| (metric, figure(metric))).collect(),
    };
    Measured {
        case: ran.case,
        mtu: ran.mtu,
        pieces: ran.rounds.first().map_or(0, |round| round.pieces),
        void: ran.void.clone(),
        figures,
    }
}

fn value(metric: Metric, round: &Round) -> f64 {
    let pieces = round.pieces as f64;
    let quantile = |part: f64| round.took.value_at_quantile(part) as f64 / 1e3;
    match metric {
        Metric::Rate => pieces / round.wall.as_secs_f64(),
        Metric::PodCpu => round.pod.as_secs_f64() * 1e6 / pieces,
        Metric::BothCpu => (round.pod + round.peer).as_secs_f64() * 1e6 / pieces,
        Metric::P50 => quantile(0.5),
        Metric::P90 => quantile(0.9),
        Metric::P99 => quantile(0.99),
        Metric::P999 => quantile(0.999),
    }
}

fn compare(options: &Options, with: Case, own: &[f64], others: &[f64]) -> Comparison {
    let estimate = |of: fn(f64, f64) -> f64| -> Estimate {
        own.iter().zip(others).map(|(own, other)| of(*own, *other)).collect::<Sample>().estimate(options.seed)
    };
    Comparison { with, ratio: estimate(|own, other| own / other), more: estimate(|own, other| own - other) }
}
