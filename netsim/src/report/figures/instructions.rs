//! Instructions of the kernel's path, as full runs counted them in a guest.

use maud::{Markup, html};

use super::chart::{self, Bar, Line};
use super::page::colour;
use super::{Group, way};
use crate::load::{Case, Counted, Direction, History, Load, Run, Way};

const GROUPS: [(Load, Direction); 4] = [
    (Load::Connections, Direction::Outbound),
    (Load::Connections, Direction::Inbound),
    (Load::RoundTrips, Direction::Outbound),
    (Load::RoundTrips, Direction::Inbound),
];

/// What the last run counted.
pub(super) fn counted(history: &History) -> Markup {
    let Some((run, counted)) = history.last_counted() else { return html! {} };
    html! {
        h2 { "Instructions" }
        p {
            "Counted in QEMU with Linux " (counted.kernel) ", revision " (run.revision) ", " (run.date)
            ": the kernel's and the programs', all of them, one client."
        }
        @for (load, direction) in GROUPS { (path(counted, load, direction)) }
    }
}

fn path(counted: &Counted, load: Load, direction: Direction) -> Markup {
    let cases = counted.instructions.iter();
    let cases: Vec<(&Case, &f64)> =
        cases.filter(|(case, _)| case.load == load && case.direction == direction).collect();
    let Some((first, _)) = cases.first() else { return html! {} };
    let bar = |(case, count): &(&Case, &f64)| Bar {
        name: way(**case),
        value: **count / 1e3,
        spread: None,
        colour: colour(case.way),
    };
    let bars: Vec<Bar> = cases.iter().map(bar).collect();
    let unit = format!("thousands of instructions a {}", load.piece());
    chart::bars(&Group::of(**first).title(), &unit, &bars)
}

/// What backends cost more than the sidecar alone, over the runs whose counts can be compared.
pub(super) fn trend(history: &History) -> Markup {
    let runs = history.comparable();
    let Some((_, last)) = runs.last() else { return html! {} };
    // One run is no trend.
    if runs.len() < 2 {
        return html! {};
    }
    let connections = |direction: Direction| {
        let cases = last.instructions.keys().filter(|case| matches!(case.way, Way::Captured(_)));
        let cases = cases.filter(|case| case.load == Load::Connections && case.direction == direction);
        cases.filter_map(|case| line(&runs, *case)).collect::<Vec<Line>>()
    };
    let names: Vec<String> = runs.iter().map(|(run, _)| run.revision.chars().take(7).collect()).collect();
    html! {
        h2 { "From revision to revision" }
        @for (direction, title) in [(Direction::Outbound, "outbound"), (Direction::Inbound, "inbound")] {
            @let lines = connections(direction);
            @if !lines.is_empty() {
                (chart::lines(
                    &format!("a connection, {title}, over a sidecar that is called without redirection, Linux {}", last.kernel),
                    "thousands of instructions",
                    &names,
                    &lines,
                ))
            }
        }
    }
}

/// A case through all runs; none where one of them has not counted it.
fn line(runs: &[(&Run, &Counted)], case: Case) -> Option<Line> {
    let point = |(run, counted): &(&Run, &Counted)| {
        let value = counted.over_straight(case)? / 1e3;
        Some(Bar { name: run.revision.clone(), value, spread: None, colour: colour(case.way) })
    };
    let points = runs.iter().map(point).collect::<Option<Vec<Bar>>>()?;
    Some(Line { name: way(case), points, colour: colour(case.way) })
}
