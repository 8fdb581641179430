//! How long pieces took at most: so many of a thousand.
//!
//! Pure. Must never give a quantile behind which hardly anything lies: that would be the slowest piece, not a quantile.

use super::outcome::Metric;
use super::rig::Round;

/// So many pieces at least lie behind a quantile.
const BEHIND: usize = 5;
/// How many parts all rounds make for the rarest quantile: none of them has enough pieces by itself.
const PARTS: usize = 3;

/// Of each round, or of some of them together, what so many of a thousand pieces took at most, in µs; nothing where too few
/// pieces took longer for that to mean anything, or where `metric` is no latency.
pub(super) fn latencies(metric: Metric, rounds: &[Round]) -> Vec<f64> {
    let (thousandths, together) = match metric {
        Metric::P50 => (500, 1),
        Metric::P90 => (900, 1),
        Metric::P99 => (990, 1),
        Metric::P999 => (999, rounds.len().div_ceil(PARTS).max(1)),
        Metric::Rate | Metric::PodCpu | Metric::BothCpu => return Vec::new(),
    };
    let of_some = |some: &[Round]| {
        let mut took: Vec<u64> = some.iter().flat_map(|round| &round.took).copied().collect();
        took.sort_unstable();
        quantile(&took, thousandths)
    };
    rounds.chunks(together).map(of_some).collect::<Option<Vec<f64>>>().unwrap_or_default()
}

fn quantile(sorted: &[u64], thousandths: usize) -> Option<f64> {
    let at = (sorted.len() * thousandths).div_ceil(1000).saturating_sub(1);
    let value = *sorted.get(at)? as f64 / 1e3;
    (sorted.len() - at > BEHIND).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rounds(count: usize, pieces: u64) -> Vec<Round> {
        let wall = Duration::from_secs(1);
        let took: Vec<u64> = (1..=pieces).rev().map(|number| number * 1000).collect();
        let round = Round { pieces: took.len(), wall, pod: wall, peer: wall, took };
        vec![round; count]
    }

    #[test]
    fn quantiles_are_exact() {
        assert_eq!(latencies(Metric::P50, &rounds(2, 1000)), [500.0, 500.0]);
        assert_eq!(latencies(Metric::P99, &rounds(1, 1000)), [990.0]);
        assert_eq!(latencies(Metric::Rate, &rounds(1, 1000)), [0.0; 0]);
    }

    #[test]
    fn the_rarest_is_of_several_rounds_together() {
        assert_eq!(latencies(Metric::P999, &rounds(30, 1000)), [999.0; 3]);
    }

    #[test]
    fn where_hardly_any_took_longer_there_is_none() {
        assert_eq!(latencies(Metric::P99, &rounds(30, 96)), [0.0; 0]);
        assert_eq!(latencies(Metric::P999, &rounds(3, 1000)), [0.0; 0]);
    }
}
