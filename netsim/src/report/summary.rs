//! A table of features and backends: how many variants passed of how many.
//!
//! Must never count what was skipped as passed.

use std::collections::BTreeSet;

use super::suite::{Case, CaseResult, count};
use super::table::table;

/// The table, and the count of all.
#[must_use]
pub fn summary(cases: &[Case]) -> String {
    let backends: BTreeSet<String> = cases.iter().map(|case| case.backend.to_string()).collect();
    let features: BTreeSet<&str> = cases.iter().map(|case| case.feature.as_str()).collect();
    let heading = std::iter::once("feature".to_owned()).chain(backends.iter().cloned()).collect();
    let lines = features.into_iter().map(|feature| {
        let of_backend = |backend: &String| {
            let here = cases
                .iter()
                .filter(|case| case.feature == feature && case.backend.to_string() == *backend)
                .map(Case::result);
            cell(&here.collect::<Vec<_>>())
        };
        std::iter::once(feature.to_owned()).chain(backends.iter().map(of_backend)).collect::<Vec<_>>()
    });
    let all: Vec<_> = std::iter::once(heading).chain(lines).collect();
    let [passed, failed, errors, skipped] =
        [CaseResult::Passed, CaseResult::Failed, CaseResult::Error, CaseResult::Skipped]
            .map(|result| count(cases, result));
    format!("\n{}\n{passed} passed, {} failed, {skipped} skipped\n", table(&all), failed + errors)
}

/// As in `12`, `11 of 12` or `10 of 12, 2 skipped`.
fn cell(results: &[CaseResult]) -> String {
    let of = |wanted| results.iter().filter(|result| **result == wanted).count();
    let (passed, skipped) = (of(CaseResult::Passed), of(CaseResult::Skipped));
    match (results.len(), passed, skipped) {
        (0, ..) => "–".to_owned(),
        (all, passed, 0) if all == passed => all.to_string(),
        (all, passed, 0) => format!("{passed} of {all}"),
        (all, passed, skipped) => format!("{passed} of {all}, {skipped} skipped"),
    }
}
