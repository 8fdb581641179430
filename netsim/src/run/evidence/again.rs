//! A flow that failed, sent once more in the same state: with the rules before and after, and a trace of them.
//!
//! Must never be taken for the flow that failed: whether it went the same way is told.

use super::super::stage::Stage;
use super::super::{Check, RunError, script};
use super::trace;
use crate::scenario::Expectation;

/// What came of it.
pub(super) struct Again {
    /// The checks of the first time.
    pub(super) first: Vec<Check>,
    /// What sending it again showed, or why it could not be done.
    pub(super) second: Result<Second, String>,
}

/// The second time.
pub(super) struct Second {
    pub(super) checks: Vec<Check>,
    /// The rules of the variant's family with their counters, before and after.
    pub(super) rules: [String; 2],
    /// What nft printed; `None` where the backend is none of nftables, else why there is nothing.
    pub(super) trace: Option<Result<String, String>>,
}

impl Again {
    pub(super) fn send(stage: &Stage, wanted: &Expectation, first: &[Check]) -> Self {
        let second = send(stage, wanted).map_err(|error| error.to_string());
        Self { first: first.to_vec(), second }
    }

    /// Whether the second time went as the first.
    pub(super) fn is_same(&self) -> bool {
        let told = |checks: &[Check]| -> Vec<String> {
            checks.iter().map(|check| format!("{} {}", check.happened, check.passed())).collect()
        };
        self.second.as_ref().is_ok_and(|second| told(&second.checks) == told(&self.first))
    }
}

fn send(stage: &Stage, wanted: &Expectation) -> Result<Second, RunError> {
    let before = stage.rules_of_family()?;
    let (checks, trace) = trace::of(stage, wanted, || script::expect(stage, wanted))?;
    let after = stage.rules_of_family()?;
    Ok(Second { checks: checks?, rules: [before, after], trace })
}
