//! One line a check, a table at the end, and for a failure what was expected, what happened and the rules in force.

use super::table::table;
use crate::run::{Check, Report, RunError};

/// One line a check.
#[must_use]
pub fn checks(report: &Report) -> String {
    report.checks.iter().map(|check| check_line(&report.variant, check)).collect()
}

fn check_line(variant: &str, check: &Check) -> String {
    let mark = if check.passed() { "ok    " } else { "FAILED" };
    let because = check
        .explanation
        .as_ref()
        .map_or_else(String::new, |explanation| format!("  ({})", explanation.decision.line));
    let problems: String = check.problems.iter().map(|problem| format!("       {problem}\n")).collect();
    format!("{mark} {variant}  {}: {}{because}\n{problems}", check.title, check.happened)
}

/// All about a failed run, for the error of a test: its failed checks and the rules in force.
#[must_use]
pub fn failure(report: &Report) -> String {
    let failed = report.checks.iter().filter(|check| !check.passed());
    let checks: String = failed.map(|check| check_line(&report.variant, check)).collect();
    format!("{checks}{}", rules(report))
}

/// The rules that were in force when something failed.
#[must_use]
pub fn rules(report: &Report) -> String {
    let rules = if report.rules.is_empty() {
        "(none)".to_owned()
    } else {
        report.rules.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    };
    format!("the rules that were in force:\n{rules}\n")
}

/// How one variant went, in a line.
#[must_use]
pub fn line(variant: &str, outcome: &Result<Report, RunError>) -> Vec<String> {
    let (result, time) = match outcome {
        Ok(report) => {
            let failed = report.checks.iter().filter(|check| !check.passed()).count();
            let result = match failed {
                0 => format!("passed ({} checks)", report.checks.len()),
                failed => format!("FAILED ({failed} of {} checks)", report.checks.len()),
            };
            (result, format!("{} ms", report.elapsed.as_millis()))
        }
        Err(_) => ("could not be run".to_owned(), String::new()),
    };
    vec![variant.to_owned(), result, time]
}

/// The table of all variants, and the count.
#[must_use]
pub fn summary(lines: Vec<Vec<String>>, passed: usize, failed: usize, skipped: usize) -> String {
    let heading = ["variant", "result", "time"].map(str::to_owned).to_vec();
    let all: Vec<_> = std::iter::once(heading).chain(lines).collect();
    format!("\n{}\n{passed} passed, {failed} failed, {skipped} skipped\n", table(&all))
}
