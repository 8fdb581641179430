//! A run as one page for people: what passed, where each flow went and which line of the policy sent it there, and all
//! about what failed.
//!
//! The page needs nothing but itself: no script, no file, no network. Must never hold anything that a scenario said
//! without escaping it.

mod drawing;

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::page::page;
use super::suite::{Case, CaseResult, count};
use crate::run::{About, Check};
use drawing::drawing;

const STYLE: &str = include_str!("style.css");

/// The page. `about` says when and on what the run took place.
#[must_use]
pub fn html(cases: &[Case], about: &[(&str, String)]) -> String {
    let features: BTreeSet<&str> = cases.iter().map(|case| case.feature.as_str()).collect();
    let body = html! {
        header {
            h1 { (title(cases)) }
            dl { @for (word, value) in about { dt { (word) } dd { (value) } } }
        }
        main {
            (summary(cases, &features))
            @for feature in &features {
                section id=(feature) {
                    h2 { (feature) }
                    @for scenario in scenarios(cases, feature) { (scenario_of(&scenario)) }
                }
            }
        }
    };
    page(&title(cases), STYLE, &body)
}

fn title(cases: &[Case]) -> String {
    let [passed, failed, errors, skipped] =
        [CaseResult::Passed, CaseResult::Failed, CaseResult::Error, CaseResult::Skipped]
            .map(|result| count(cases, result));
    format!("netsim: {passed} passed, {} failed, {skipped} skipped", failed + errors)
}

/// How many variants of each feature passed on each backend and family.
fn summary(cases: &[Case], features: &BTreeSet<&str>) -> Markup {
    let columns: BTreeSet<(String, String)> = cases.iter().map(column).collect();
    html! {
        div.wide {
            table.summary {
                thead {
                    tr { th { "feature" } @for (backend, family) in &columns { th { (backend) br; (family) } } }
                }
                tbody {
                    @for feature in features {
                        tr {
                            th { a href={ "#" (feature) } { (feature) } }
                            @for at in &columns { (cell(cases, feature, at)) }
                        }
                    }
                }
            }
        }
    }
}

fn column(case: &Case) -> (String, String) {
    (case.backend.to_string(), case.family.to_string())
}

fn cell(cases: &[Case], feature: &str, at: &(String, String)) -> Markup {
    let here: Vec<CaseResult> = cases
        .iter()
        .filter(|case| case.feature == feature && column(case) == *at)
        .map(Case::result)
        .collect();
    let of = |wanted| here.iter().filter(|result| **result == wanted).count();
    let (passed, skipped) = (of(CaseResult::Passed), of(CaseResult::Skipped));
    let worst = here.iter().max_by_key(|result| badness(**result));
    let text = match here.len() {
        0 => "–".to_owned(),
        all if all == passed => all.to_string(),
        all if skipped == 0 => format!("{passed} of {all}"),
        all => format!("{passed} of {all}, {skipped} skipped"),
    };
    html! { td class=(worst.map_or("none", |worst| worst.word())) { (text) } }
}

fn badness(result: CaseResult) -> u8 {
    match result {
        CaseResult::Passed => 0,
        CaseResult::Skipped => 1,
        CaseResult::Failed => 2,
        CaseResult::Error => 3,
    }
}

/// The variants of each scenario of a feature, in order.
fn scenarios<'a>(cases: &'a [Case], feature: &str) -> Vec<Vec<&'a Case>> {
    let mut by_file: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.feature == feature) {
        by_file.entry(&case.file).or_default().push(case);
    }
    by_file.into_values().collect()
}

fn scenario_of(variants: &[&Case]) -> Markup {
    let Some(first) = variants.first() else { return html! {} };
    let has_trouble = variants.iter().any(|case| badness(case.result()) > 1);
    html! {
        details open[has_trouble] {
            summary {
                span.sentence { (first.sentence) }
                @for case in variants {
                    span class={ "variant " (case.result().word()) } { (case.backend) " " (case.family) }
                }
            }
            p.file { (first.file) }
            @for (checks, alike) in alike(variants) { (telling(checks, &alike)) }
        }
    }
}

/// Variants of which there is the same to tell, together.
fn alike<'a>(variants: &[&'a Case]) -> Vec<(&'a [Check], Vec<&'a Case>)> {
    let mut groups: Vec<(&[Check], Vec<&Case>)> = Vec::new();
    for case in variants {
        let is_alike = |group: &&mut (&[Check], Vec<&Case>)| {
            group.1.iter().all(|other| other.trouble() == case.trouble())
                && told(group.0) == told(case.checks())
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.1.push(case),
            None => groups.push((case.checks(), vec![case])),
        }
    }
    groups
}

/// What is told of traffic. How tproxy is called differs from one flavour to the other.
fn told(checks: &[Check]) -> Vec<(&str, &[String], &str, bool)> {
    let traffic = checks.iter().filter(|check| check.about == About::Traffic || !check.passed());
    traffic.map(|check| (check.title.as_str(), check.path.as_slice(), line(check), check.passed())).collect()
}

fn line(check: &Check) -> &'static str {
    check.explanation.as_ref().map_or("", |explanation| explanation.decision.line.name())
}

fn telling(checks: &[Check], variants: &[&Case]) -> Markup {
    let names: Vec<String> =
        variants.iter().map(|case| format!("{} {}", case.backend, case.family)).collect();
    let setting = variants.first().and_then(|case| case.setting.as_ref());
    let trouble = variants.first().map(|case| case.trouble()).unwrap_or_default();
    html! {
        div.telling {
            h3 { (names.join(", ")) }
            @if let Some(setting) = setting { div.wide { (drawing(setting, checks)) } }
            ol { @for check in checks { (check_of(check)) } }
            @if !trouble.is_empty() { pre.trouble { (trouble) } }
            @for folder in variants.iter().filter_map(|case| case.evidence()) {
                p.evidence { a href={ "file://" (folder.join("report.txt").display()) } { "all that is known of it" } }
            }
        }
    }
}

fn check_of(check: &Check) -> Markup {
    let mark = if check.passed() { "passed" } else { "failed" };
    html! {
        li class=(mark) {
            @if check.path.is_empty() {
                span.title { (check.title) } ": " (check.happened)
            } @else {
                span.way {
                    @for (number, actor) in check.path.iter().enumerate() {
                        @if number > 0 { span.arrow { "→" } }
                        span class={ "actor " (kind(actor)) } { (actor) }
                    }
                }
                span.title { (check.title) }
            }
            @if let Some(explanation) = &check.explanation {
                span.policy title=(explanation.why) { (explanation.decision.line.name()) }
            }
            @for problem in &check.problems { p.problem { (problem) } }
        }
    }
}

/// What an actor is drawn as.
fn kind(actor: &str) -> &'static str {
    match actor {
        _ if actor.starts_with("sidecar") => "sidecar",
        "refused" | "reset" | "unanswered" => "end",
        _ if actor.starts_with("unreachable") => "end",
        _ => "other",
    }
}
