//! One line a variant or a check, and for a failure what was expected, what happened and the rules in force.

use super::suite::{Case, CaseResult, Outcome};
use crate::run::{Check, Report};

/// One line a check.
#[must_use]
pub fn checks(report: &Report) -> String {
    plain(&report.checks.iter().map(|check| check_line(&report.variant, check)).collect::<String>())
}

/// What programs print may hold anything: nothing of it may steer a terminal, or break a format.
#[must_use]
pub fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.chars().map(shown).collect()
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

/// One line a check that failed, and what is wrong.
#[must_use]
pub fn failed(variant: &str, checks: &[Check]) -> String {
    let lines = checks.iter().filter(|check| !check.passed()).map(|check| check_line(variant, check));
    plain(&lines.collect::<String>())
}

/// All about a failed run, for the error of a test: its failed checks and the rules in force.
#[must_use]
pub fn failure(report: &Report) -> String {
    format!("{}{}{}", failed(&report.variant, &report.checks), rules(report), more(report))
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

/// How to learn more of a run that failed.
#[must_use]
pub fn more(report: &Report) -> String {
    report.testimony.as_ref().map_or_else(String::new, |testimony| format!("{testimony}\n"))
}

/// How one variant went, in a line.
#[must_use]
pub fn line(case: &Case) -> String {
    let mark = match case.result() {
        CaseResult::Passed => "ok    ",
        CaseResult::Failed | CaseResult::Error => "FAILED",
        CaseResult::Skipped => "skip  ",
    };
    let detail = match &case.outcome {
        Outcome::Ran(Ok(report)) => {
            let failed = report.checks.iter().filter(|check| !check.passed()).count();
            let checks = report.checks.len();
            let time = report.elapsed.as_millis();
            if failed == 0 {
                format!("{checks} checks, {time} ms")
            } else {
                format!("{failed} of {checks} checks")
            }
        }
        _ => case.trouble(),
    };
    format!("{mark} {}  {detail}\n", case.name)
}
