//! A sample's median and spread. Never a mean: one disturbed round must not move the figure.

use std::time::Duration;

/// Sorted measurements.
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// Of durations, in milliseconds.
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        Self::of_numbers(durations.into_iter().map(|duration| duration.as_secs_f64() * 1000.0))
    }

    /// Of plain numbers.
    pub(crate) fn of_numbers(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// The value below which `percent` of the sample lie; 0 for an empty sample.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).copied().unwrap_or(0.0)
    }

    /// `median [quartile–quartile]`, with this many decimals.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let [low, median, high] = [25, 50, 75].map(|percent| self.percentile(percent));
        format!("{median:.decimals$} [{low:.decimals$}–{high:.decimals$}]")
    }
}
