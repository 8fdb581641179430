//! A run as JSON, for machines: one object, with a version of its own.
//!
//! Must never leave out what the console shows.

use serde_json::{Value, json};

use super::suite::{Case, CaseResult, count};
use crate::run::Check;

/// The version of this format.
const VERSION: u32 = 1;

/// All cases of a run with this seed, and how many ended how.
#[must_use]
pub fn json(cases: &[Case], seed: u64) -> String {
    let counted = |result| count(cases, result);
    let whole = json!({
        "version": VERSION,
        "seed": seed,
        "passed": counted(CaseResult::Passed),
        "failed": counted(CaseResult::Failed),
        "errors": counted(CaseResult::Error),
        "skipped": counted(CaseResult::Skipped),
        "cases": cases.iter().map(case).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn case(case: &Case) -> Value {
    json!({
        "name": case.name,
        "scenario": case.sentence,
        "feature": case.feature,
        "file": case.file,
        "backend": case.backend.to_string(),
        "family": case.family.to_string(),
        "result": case.result(),
        "seconds": case.seconds(),
        "trouble": case.trouble(),
        "evidence": case.evidence(),
        "checks": case.checks().iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    let policy = check.explanation.as_ref().map(|explanation| {
        json!({
            "line": explanation.decision.line.to_string(),
            "verdict": explanation.decision.verdict.to_string(),
            "because": explanation.why,
        })
    });
    json!({
        "title": check.title,
        "happened": check.happened,
        "problems": check.problems,
        "policy": policy,
    })
}
