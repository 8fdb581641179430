//! Whether one revision of tproxy costs more than another. Pure.
//!
//! Judges processor time alone: what a busy machine does to rates and latencies it does least to that.

use serde::Serialize;

use super::{Case, Estimate, Metric, Outcome};

/// Changes below this say nothing, however sure they are: two builds of one source differ by as much.
const SMALLEST: f64 = 0.01;

/// How a case has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It costs less.
    Better,
    /// It costs more.
    Worse,
    /// Nothing that is surely there.
    WithinNoise,
}

/// What is judged of a case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judgement {
    /// Which.
    pub case: Case,
    /// How it has changed.
    pub change: Change,
    /// The ratio of processor time, pod's and peer's, to that before.
    pub ratio: Estimate,
}

/// Every case that was measured with both revisions.
#[must_use]
pub fn judge(outcome: &Outcome) -> Vec<Judgement> {
    let compared = outcome.cases.iter().filter_map(|measured| {
        let ratio = measured.figure(Metric::BothCpu)?.to_before.as_ref()?.ratio;
        Some(Judgement { case: measured.case, change: change(ratio), ratio })
    });
    compared.collect()
}

fn change(ratio: Estimate) -> Change {
    if ratio.from > 1.0 + SMALLEST {
        Change::Worse
    } else if ratio.to < 1.0 - SMALLEST {
        Change::Better
    } else {
        Change::WithinNoise
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::conclude::ratio;
    use super::*;

    /// Processor time a connection, in µs, of one tproxy and of the same one as another revision's, round by round in turn:
    ///
    /// ```text
    /// netsim bench --against ITSELF --rounds 480 --json --case CASE…
    /// ```
    const SAME: &str = include_str!("same-revision.json");
    /// Rounds of a part, as many as a usual run has.
    const ROUNDS: usize = 24;

    #[derive(Deserialize)]
    struct Recorded {
        now: Vec<f64>,
        before: Vec<f64>,
    }

    /// What is said of each part of each case where this revision takes so many times what it took.
    fn told(factor: f64) -> Vec<Vec<Change>> {
        let cases: BTreeMap<String, Recorded> = serde_json::from_str(SAME).unwrap();
        let part = |(now, before): (&[f64], &[f64])| {
            let slower: Vec<f64> = now.iter().map(|now| now * factor).collect();
            change(ratio(&slower, before, 1))
        };
        let parts = |case: &Recorded| {
            case.now.chunks_exact(ROUNDS).zip(case.before.chunks_exact(ROUNDS)).map(part).collect()
        };
        let all: Vec<Vec<Change>> = cases.values().map(parts).collect();
        assert!(
            all.len() >= 4 && all.iter().all(|parts| parts.len() == 20),
            "20 parts of each case are recorded"
        );
        all
    }

    #[test]
    fn a_slowdown_of_five_percent_is_told_and_nothing_of_what_did_not_change() {
        for parts in told(1.05) {
            assert_eq!(parts.iter().filter(|told| **told == Change::Worse).count(), parts.len());
        }
        for parts in told(1.0) {
            assert!(parts.iter().filter(|told| **told == Change::WithinNoise).count() >= 19, "{parts:?}");
        }
    }

    #[test]
    fn only_what_is_surely_there_is_a_change() {
        for ([from, median, to], expected) in [
            ([0.99, 1.0, 1.01], Change::WithinNoise),
            ([0.98, 1.05, 1.12], Change::WithinNoise),
            ([1.005, 1.008, 1.012], Change::WithinNoise),
            ([1.02, 1.05, 1.08], Change::Worse),
            ([0.9, 0.95, 0.98], Change::Better),
        ] {
            assert_eq!(change(Estimate { median, from, to }), expected);
        }
    }
}
