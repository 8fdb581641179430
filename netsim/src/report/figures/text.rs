//! The figures as tables of text.

use super::super::table::table;
use super::{ENOUGH, Group, groups, way};
use crate::load::{self, Change, Comparison, Judgement, Measured, Metric, Outcome, Process};

/// The figures of all cases, and what they were measured on.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let Outcome { environment, load_after, seed, rounds, .. } = outcome;
    let few = if *rounds < ENOUGH { ", too few to conclude from" } else { "" };
    let tables: String = groups(outcome).iter().map(|(group, cases)| of_group(group, cases)).collect();
    let void: String = outcome.cases.iter().filter_map(reason).collect();
    format!(
        "{environment}, after it {load_after}\n\
         {rounds} rounds{few}, seed {seed}\n\
         median [quartiles]; ratios and differences: median [95 % interval]; to straight: against a sidecar that is called\n\
         by its own address, without redirection\n{tables}{}{void}{}",
        processes(&outcome.programs),
        changes(&load::judge(outcome))
    )
}

/// tproxy as a process, and what it contains.
fn processes(programs: &[Process]) -> String {
    if programs.is_empty() {
        return String::new();
    }
    let heading = ["process", "wall ms", "cpu ms"].map(str::to_owned).to_vec();
    let line = |one: &Process| vec![one.what.clone(), one.wall.show(1), one.cpu.show(1)];
    let lines: Vec<_> = std::iter::once(heading).chain(programs.iter().map(line)).collect();
    format!("\nthe default rules of both families, as processes\n{}", table(&lines))
}

/// What costs more or less than with the other revision.
fn changes(judged: &[Judgement]) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let heading = ["case", "processor time to before", ""].map(str::to_owned).to_vec();
    let line = |one: &Judgement| {
        let word = match one.change {
            Change::Better => "better",
            Change::Worse => "worse",
            Change::WithinNoise => "within noise",
        };
        vec![one.case.to_string(), one.ratio.show(3), word.to_owned()]
    };
    let lines: Vec<_> = std::iter::once(heading).chain(judged.iter().map(line)).collect();
    format!("\nagainst the other revision of tproxy, pod and peer\n{}", table(&lines))
}

fn of_group(group: &Group, cases: &[&Measured]) -> String {
    let pieces = cases.first().map_or(0, |first| first.pieces);
    format!("\n{}, {pieces} a round\n{}", group.title(), table(&lines(group, cases)))
}

/// The heading and a line for each case.
pub(super) fn lines(group: &Group, cases: &[&Measured]) -> Vec<Vec<String>> {
    let piece = group.load.piece();
    let heading = vec![
        "way".to_owned(),
        format!("{piece} a second"),
        format!("pod cpu µs a {piece}"),
        "with peer's".to_owned(),
        "p50, p90, p99, p99.9 µs".to_owned(),
        "to straight: rate, pod cpu".to_owned(),
        "more pod cpu µs".to_owned(),
    ];
    std::iter::once(heading).chain(cases.iter().map(|case| line(case))).collect()
}

fn line(measured: &Measured) -> Vec<String> {
    let name = way(measured.case);
    if measured.void.is_some() {
        return vec![name, "void".to_owned()];
    }
    let spread = |metric: Metric, decimals: usize| {
        measured.figure(metric).map_or_else(String::new, |figure| figure.spread.show(decimals))
    };
    let median = |metric: Metric| {
        measured
            .figure(metric)
            .map_or_else(|| "–".to_owned(), |figure| format!("{:.0}", figure.spread.median))
    };
    let latency = [Metric::P50, Metric::P90, Metric::P99, Metric::P999].map(median).join(", ");
    let to_straight = |metric: Metric| measured.figure(metric).and_then(|figure| figure.to_straight.as_ref());
    let ratio = |found: Option<&Comparison>| found.map_or_else(|| "–".to_owned(), |with| with.ratio.show(2));
    let more = measured.figure(Metric::PodCpu).and_then(|figure| figure.to_baseline.as_ref());
    let ratios = [Metric::Rate, Metric::PodCpu].map(|metric| ratio(to_straight(metric))).join(", ");
    vec![
        name,
        spread(Metric::Rate, 0),
        spread(Metric::PodCpu, 1),
        spread(Metric::BothCpu, 1),
        latency,
        if ratios == "–, –" { "–".to_owned() } else { ratios },
        more.map_or_else(|| "–".to_owned(), |with| format!("{} than {}", with.more.show(1), way(with.with))),
    ]
}

fn reason(measured: &Measured) -> Option<String> {
    let reason = measured.void.as_ref()?;
    Some(format!("\n{} is void: {reason}\n", measured.case))
}
