//! The flows of one variant as a table for people: who called whom, where it ended, and which line of the policy sent
//! it there.

use super::table::table;
use crate::run::Report;

/// The table of the flows of a report.
#[must_use]
pub fn flows(report: &Report) -> String {
    let heading = ["flow", "went to", "policy line", "because"].map(str::to_owned).to_vec();
    let flows = report.checks.iter().filter_map(|check| {
        let explanation = check.explanation.as_ref()?;
        let mark = if check.passed() { "" } else { " (FAILED)" };
        Some(vec![
            check.title.clone(),
            format!("{}{mark}", check.happened),
            explanation.decision.line.to_string(),
            explanation.why.clone(),
        ])
    });
    table(&std::iter::once(heading).chain(flows).collect::<Vec<_>>())
}
