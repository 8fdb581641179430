//! How long and how often to try.
//!
//! Must never try again what cannot come out otherwise: a text that iptables does not understand.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::config::{Config, Loading};

/// How long taking changes back may take, whatever the limit of the run was.
const TO_UNDO: Duration = Duration::from_secs(60);

/// The limits of one run.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How rules are loaded, and how often that is tried again.
    pub loading: Loading,
    /// When to give up, whatever else says that there is time left.
    pub deadline: Instant,
}

impl Patience {
    /// Until `limit` from now.
    #[must_use]
    pub fn new(loading: Loading, limit: Duration) -> Self {
        Self { loading, deadline: Instant::now() + limit }
    }

    /// Enough to take changes back, with Kuma's numbers of tries.
    pub(super) fn to_undo() -> Self {
        Self::new(Config::default().loading, TO_UNDO)
    }

    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The pause before try number `next`, counted from 1: each half as long again as the one before, a quarter more or
    /// less by chance, so that several who failed together do not meet again. `None` when it is time to give up.
    pub(super) fn pause_before(&self, next: u32) -> Option<Duration> {
        if next > self.loading.max_retries.saturating_add(1) {
            return None;
        }
        let growth = 1.5_f64.powi(i32::try_from(next.saturating_sub(2).min(16)).unwrap_or(16));
        #[expect(
            clippy::cast_precision_loss,
            reason = "a chance of four parts in a thousand more or less is none"
        )]
        let chance = 0.75 + (RandomState::new().build_hasher().finish() % 500) as f64 / 1000.0;
        let pause = self.loading.sleep_between_retries.mul_f64(growth * chance);
        (pause < self.left()).then_some(pause)
    }
}
