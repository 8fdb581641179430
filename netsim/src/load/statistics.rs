//! A sample's median and spread, and how sure a median is.
//!
//! Must never use a mean: one disturbed round must not move the figure.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How often a sample is drawn again for an interval.
const RESAMPLES: usize = 2000;

/// Measurements, sorted.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<f64>);

/// A sample in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
    /// The lowest and the highest decile: the better one of them is what a busy machine disturbs least.
    pub deciles: [f64; 2],
}

/// A median, and where it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of the interval.
    pub from: f64,
    /// The upper end.
    pub to: f64,
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }
}

impl Sample {
    /// The value below which `percent` of the sample lie; 0 for an empty sample.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last * percent + 50) / 100).copied().unwrap_or(0.0)
    }

    /// Median and quartiles.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let [low, median, high] = [25, 50, 75].map(|percent| self.percentile(percent));
        Spread { median, low, high, deciles: [10, 90].map(|percent| self.percentile(percent)) }
    }

    /// The median with its bootstrap interval (Efron: percentiles of the medians of samples drawn from this one).
    #[must_use]
    pub fn estimate(&self, seed: u64) -> Estimate {
        let mut random = Random::new(seed);
        let mut draw = || self.0.get(random.below(self.0.len())).copied().unwrap_or(0.0);
        let median_of_one = |_| self.0.iter().map(|_| draw()).collect::<Self>().percentile(50);
        // Thousandths: 2.5 % are between two percentiles.
        let medians: Self = (0..RESAMPLES).map(median_of_one).collect();
        let at = |thousandths: usize| medians.0.get((RESAMPLES - 1) * thousandths / 1000).copied();
        let median = self.percentile(50);
        Estimate { median, from: at(25).unwrap_or(median), to: at(975).unwrap_or(median) }
    }
}

impl Spread {
    /// `median [quartile–quartile]`, with this many decimals.
    #[must_use]
    pub fn show(&self, decimals: usize) -> String {
        shown(self.median, self.low, self.high, decimals)
    }
}

impl Estimate {
    /// `median [from–to]`, with this many decimals.
    #[must_use]
    pub fn show(&self, decimals: usize) -> String {
        shown(self.median, self.from, self.to, decimals)
    }
}

fn shown(middle: f64, low: f64, high: f64, decimals: usize) -> String {
    format!("{middle:.decimals$} [{low:.decimals$}–{high:.decimals$}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_does_not_move_the_figure() {
        let sample: Sample = [5.0, 1.0, 3.0, 2.0, 4000.0].into_iter().collect();
        assert_eq!(sample.spread().show(0), "3 [2–5]");
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_more_rounds() {
        let of = |rounds: u32| (0..rounds).map(|round| f64::from(round % 10)).collect::<Sample>().estimate(1);
        let (few, many) = (of(10), of(1000));
        for estimate in [few, many] {
            assert!(estimate.from <= estimate.median && estimate.median <= estimate.to, "{estimate:?}");
        }
        assert!(many.to - many.from < few.to - few.from, "{few:?} {many:?}");
        let same: Sample = std::iter::repeat_n(7.0, 9).collect();
        assert_eq!(same.estimate(1), Estimate { median: 7.0, from: 7.0, to: 7.0 });
    }
}
