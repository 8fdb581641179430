//! A run in the Test Anything Protocol, version 14 (testanything.org).
//!
//! Must never print a line of a message where the protocol would read it.

use std::fmt::Write;

use super::suite::{Case, CaseResult};

/// One test point a case; what is wrong stands in a YAML block below it.
#[must_use]
pub fn tap(cases: &[Case]) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", cases.len());
    for (number, case) in cases.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", point(number + 1, case));
        if matches!(case.result(), CaseResult::Failed | CaseResult::Error) {
            let _ = writeln!(text, "  ---\n  message: |\n{}\n  ...", indented(&case.trouble()));
        }
    }
    text
}

fn point(number: usize, case: &Case) -> String {
    // A number sign begins a directive.
    let name = case.name.replace('#', "\\#");
    match case.result() {
        CaseResult::Passed => format!("ok {number} - {name}"),
        CaseResult::Skipped => format!("ok {number} - {name} # SKIP {}", case.trouble().replace('\n', " ")),
        CaseResult::Failed | CaseResult::Error => format!("not ok {number} - {name}"),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
