//! The figures as one page for people, which needs nothing but itself, and its first plot alone, for a README.

use std::collections::BTreeMap;

use maud::{Markup, html};
use tproxy::backend::BackendId;

use super::super::page as shared;
use super::chart::{self, Bar, Line};
use super::{Group, groups, instructions, text, way};
use crate::load::{Case, Direction, History, Load, Measured, Metric, Outcome, Process, Way};

const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn page(outcome: &Outcome, history: &History) -> String {
    let body = html! {
        header {
            h1 { "What a redirection costs" }
            (about(outcome))
        }
        main {
            h2 { "Processor time" }
            @for (load, direction) in [(Load::Connections, Direction::Outbound), (Load::Connections, Direction::Inbound), (Load::Connections, Direction::Whole), (Load::RoundTrips, Direction::Outbound), (Load::Queries, Direction::Outbound)] {
                (cost(outcome, load, direction))
            }
            (instructions::counted(history))
            (instructions::trend(history))
            h2 { "Latency" }
            @for (load, direction) in [(Load::Connections, Direction::Outbound), (Load::RoundTrips, Direction::Outbound), (Load::Connections, Direction::Inbound)] {
                (latency(outcome, load, direction))
            }
            h2 { "Throughput by MTU" }
            (throughput(outcome))
            h2 { "Exclusions" }
            (exclusions(outcome))
            (processes(&outcome.programs))
            h2 { "All figures" }
            p { "Median and quartiles of the rounds; ratios and differences with the interval that holds the true median with 95 % confidence." }
            @for (group, cases) in groups(outcome) { (table(&group, &cases)) }
        }
    };
    shared::page("netsim bench: what a redirection costs", STYLE, &body)
}

/// The processor time of a leaving connection, by itself.
#[must_use]
pub fn plot(outcome: &Outcome) -> String {
    let figure = cost(outcome, Load::Connections, Direction::Outbound).into_string();
    let svg = figure.find("<svg").zip(figure.find("</svg>")).and_then(|(from, to)| figure.get(from..to));
    let svg = svg.unwrap_or_default().replacen('>', &format!("><style>{STYLE}</style>"), 1);
    format!("{svg}</svg>\n")
}

fn about(outcome: &Outcome) -> Markup {
    let environment = &outcome.environment;
    let told = [
        ("measured", environment.date.clone()),
        ("machine", environment.to_string()),
        ("load after", outcome.load_after.clone()),
        ("programs", environment.programs.join("; ")),
        ("mitigations", environment.mitigations.join("; ")),
        ("rounds", format!("{}, all cases in random order, seed {}", outcome.rounds, outcome.seed)),
    ];
    html! { dl { @for (word, value) in told { @if !value.is_empty() { dt { (word) } dd { (value) } } } } }
}

/// The usual cases of a load without exclusions.
fn usual(outcome: &Outcome, load: Load, direction: Direction, mtu: u32) -> Vec<&Measured> {
    let cases = outcome.cases.iter().filter(|one| {
        let Case { way, clients, .. } = one.case;
        // Over IPv4, as a new case is.
        one.case == Case { clients, mtu, ..Case::new(load, direction, way) } && one.void.is_none()
    });
    // With the usual number of clients, where there are several.
    let mut by_way: BTreeMap<Way, &Measured> = BTreeMap::new();
    for one in cases {
        let is_usual = one.case.clients == Case::new(load, direction, one.case.way).clients;
        if is_usual || !by_way.contains_key(&one.case.way) {
            by_way.insert(one.case.way, one);
        }
    }
    by_way.into_values().collect()
}

fn bar(measured: &Measured, metric: Metric, name: String) -> Option<Bar> {
    let spread = measured.figure(metric)?.spread;
    let colour = colour(measured.case.way);
    Some(Bar { name, value: spread.median, spread: Some([spread.low, spread.high]), colour })
}

pub(super) fn colour(way: Way) -> usize {
    match way {
        Way::Direct => 0,
        Way::Straight => 1,
        Way::Captured(BackendId::IptablesNft) | Way::Own(BackendId::IptablesNft) => 2,
        Way::Captured(BackendId::IptablesLegacy) | Way::Own(BackendId::IptablesLegacy) => 3,
        Way::Captured(BackendId::Ebpf) | Way::Own(BackendId::Ebpf) => 4,
    }
}

fn cost(outcome: &Outcome, load: Load, direction: Direction) -> Markup {
    let cases = usual(outcome, load, direction, 1500);
    let Some(first) = cases.first() else { return html! {} };
    let bars: Vec<Bar> = cases.iter().filter_map(|one| bar(one, Metric::BothCpu, way(one.case))).collect();
    let unit = format!("µs of processor time a {}, pod and peer", load.piece());
    chart::bars(&Group::of(first.case).title(), &unit, &bars)
}

fn latency(outcome: &Outcome, load: Load, direction: Direction) -> Markup {
    const PARTS: [(Metric, &str); 4] =
        [(Metric::P50, "p50"), (Metric::P90, "p90"), (Metric::P99, "p99"), (Metric::P999, "p99.9")];
    let mut cases = usual(outcome, load, direction, 1500);
    // What the sidecar sends is another question.
    cases.retain(|one| !matches!(one.case.way, Way::Own(_)));
    let Some(first) = cases.first() else { return html! {} };
    let line = |one: &&Measured| Line {
        name: way(one.case),
        points: PARTS.iter().filter_map(|(metric, name)| bar(one, *metric, (*name).to_owned())).collect(),
        colour: colour(one.case.way),
    };
    let lines: Vec<Line> = cases.iter().map(line).collect();
    let names = PARTS.map(|(_, name)| name.to_owned());
    chart::lines(&Group::of(first.case).title(), &format!("µs a {}", load.piece()), &names, &lines)
}

fn throughput(outcome: &Outcome) -> Markup {
    let mut bars = Vec::new();
    for mtu in [1500, 65_535] {
        for one in usual(outcome, Load::Bulk, Direction::Outbound, mtu) {
            bars.extend(bar(one, Metric::Rate, format!("{}, MTU {mtu}", way(one.case))));
        }
    }
    if bars.is_empty() {
        return html! {};
    }
    chart::bars("a MiB there and back, outbound, one client", "MiB a second each way", &bars)
}

fn exclusions(outcome: &Outcome) -> Markup {
    let base = |way: Way| Case::new(Load::Connections, Direction::Outbound, way);
    let mut steps: Vec<usize> = outcome.cases.iter().map(|one| one.case.exclusions).collect();
    steps.sort_unstable();
    steps.dedup();
    let ways: Vec<Way> = {
        let excluding = outcome.cases.iter().filter(|one| one.case.exclusions > 0);
        let mut ways: Vec<Way> = excluding.map(|one| one.case.way).collect();
        ways.sort();
        ways.dedup();
        ways.into_iter().filter(|way| matches!(way, Way::Captured(_))).collect()
    };
    let line = |of: &Way| {
        let cases = steps.iter().filter_map(|many| outcome.of(Case { exclusions: *many, ..base(*of) }));
        let points: Vec<Bar> =
            cases.filter_map(|one| bar(one, Metric::PodCpu, one.case.exclusions.to_string())).collect();
        (points.len() == steps.len()).then(|| Line { name: way(base(*of)), points, colour: colour(*of) })
    };
    let lines: Vec<Line> = ways.iter().filter_map(line).collect();
    if lines.is_empty() {
        return html! {};
    }
    let names: Vec<String> = steps.iter().map(|many| format!("{many} networks")).collect();
    chart::lines(
        "a leaving connection, by the number of excluded networks",
        "µs of the pod's processor time",
        &names,
        &lines,
    )
}

/// tproxy as a process, and what it contains.
fn processes(programs: &[Process]) -> Markup {
    let bar = |one: &Process| Bar {
        name: one.what.clone(),
        value: one.wall.median,
        spread: Some([one.wall.low, one.wall.high]),
        // What is bare, and by backend what is not.
        colour: if one.what.starts_with("bare") { 0 } else { colour_of(&one.what) },
    };
    let bars: Vec<Bar> = programs.iter().map(bar).collect();
    if bars.is_empty() {
        return html! {};
    }
    html! {
        h2 { "tproxy as a process" }
        (chart::bars("the default rules, both families", "ms from start to end", &bars))
    }
}

fn colour_of(what: &str) -> usize {
    let backends = [BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf];
    let found = backends.into_iter().find(|backend| what.ends_with(&backend.to_string()));
    found.map_or(1, |backend| colour(Way::Captured(backend)))
}

fn table(group: &Group, cases: &[&Measured]) -> Markup {
    let lines = text::lines(group, cases);
    html! {
        h3 { (group.title()) }
        div.wide {
            table {
                @for (number, line) in lines.iter().enumerate() {
                    tr { @for cell in line { @if number == 0 { th { (cell) } } @else { td { (cell) } } } }
                }
            }
        }
        @for one in cases {
            @if let Some(reason) = &one.void { p.void { (way(one.case)) " is void: " (reason) } }
        }
    }
}
