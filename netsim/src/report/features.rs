//! Features and backends as a table of Markdown, and what is not run with every backend, for a README.
//!
//! Must never call a cell good of which anything failed or was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tproxy::backend::BackendId;

use super::suite::{Case, CaseResult};
use crate::scenario::Variant;

/// The table of these variants and of how they ended.
#[must_use]
pub fn features(variants: &[Variant], cases: &[Case]) -> String {
    let backends: BTreeSet<BackendId> = cases.iter().map(|case| case.backend).collect();
    let mut cells: BTreeMap<&str, BTreeMap<BackendId, Vec<CaseResult>>> = BTreeMap::new();
    for case in cases {
        let row = cells.entry(&case.feature).or_default();
        row.entry(case.backend).or_default().push(case.result());
    }
    let mut text = "| scenarios |".to_owned();
    // Writing to a string cannot fail.
    for backend in &backends {
        let _ = write!(text, " {backend} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(backends.len()));
    for (feature, row) in cells {
        let _ = write!(text, "| `{feature}` |");
        for backend in &backends {
            let _ = write!(text, " {} |", row.get(backend).map_or("–".to_owned(), |results| cell(results)));
        }
        text.push('\n');
    }
    text + &limited(variants)
}

/// `passed`, or how many did not.
fn cell(results: &[CaseResult]) -> String {
    let of = |wanted: &[CaseResult]| results.iter().filter(|result| wanted.contains(result)).count();
    match (of(&[CaseResult::Failed, CaseResult::Error]), of(&[CaseResult::Skipped])) {
        (0, 0) => "passed".to_owned(),
        (0, skipped) => format!("{skipped} of {} skipped", results.len()),
        (failed, _) => format!("{failed} of {} failed", results.len()),
    }
}

/// The scenarios that are for some backends alone, with the reason.
fn limited(variants: &[Variant]) -> String {
    let only = variants.iter().filter_map(|variant| {
        let only = &variant.scenario.document.only.as_ref()?.value;
        let backends: Vec<&str> = only.backends.iter().map(|backend| backend.value.as_str()).collect();
        (!backends.is_empty()).then(|| (variant.scenario.id.as_str(), (backends.join(", "), &only.because)))
    });
    let only: BTreeMap<_, _> = only.collect();
    let mut text = "\n| not with every backend | with | because |\n|---|---|---|\n".to_owned();
    for (id, (backends, because)) in only {
        let _ = writeln!(text, "| `{id}` | {backends} | {} |", because.replace('|', "\\|"));
    }
    text
}
