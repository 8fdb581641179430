//! A run as JUnit XML, which CI systems show: a suite a feature, a test case a variant.
//!
//! Must never write what XML cannot hold; the library replaces it.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::suite::{Case, CaseResult};

/// All cases as a document.
///
/// # Errors
/// It cannot be written as XML.
pub fn junit(cases: &[Case]) -> Result<String, SerializeError> {
    let mut report = Report::new("netsim");
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for case in cases {
        let suite = suites.entry(&case.feature).or_insert_with(|| TestSuite::new(&case.feature));
        suite.add_test_case(test_case(case));
    }
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn test_case(case: &Case) -> TestCase {
    let with = |mut status: TestCaseStatus| {
        let trouble = case.trouble();
        status.set_message(trouble.lines().next().unwrap_or_default());
        status.set_description(trouble);
        status
    };
    let status = match case.result() {
        CaseResult::Passed => TestCaseStatus::success(),
        CaseResult::Failed => with(TestCaseStatus::non_success(NonSuccessKind::Failure)),
        CaseResult::Error => with(TestCaseStatus::non_success(NonSuccessKind::Error)),
        CaseResult::Skipped => with(TestCaseStatus::skipped()),
    };
    let mut test_case = TestCase::new(&case.name, status);
    test_case
        .set_classname(&case.feature)
        .set_time(Duration::from_secs_f64(case.seconds()))
        .set_assertions(case.checks().len());
    test_case
}
