//! The figures of a bench as a table. Rounds nothing away: an interval that holds no difference is shown as one.

use super::table::table;
use crate::load::{Comparison, Measured, Outcome};

/// Rounds below which an interval says little.
const ENOUGH: usize = 10;

const HEADING: [&str; 6] = [
    "case",
    "connections/s",
    "pod cpu µs",
    "pod + peer cpu µs",
    "to straight: rate, pod cpu",
    "more cpu µs: pod, pod + peer",
];

/// The figures of all cases, and what they were measured on.
#[must_use]
pub fn bench(outcome: &Outcome) -> String {
    let heading = HEADING.map(str::to_owned).to_vec();
    let lines: Vec<_> = std::iter::once(heading).chain(outcome.cases.iter().map(line)).collect();
    let Outcome { environment, load_after, mtu, family, seed, rounds, connections, .. } = outcome;
    let few = if *rounds < ENOUGH { ", too few to conclude from" } else { "" };
    let void: String = outcome.cases.iter().filter_map(reason).collect();
    format!(
        "{environment}, after it {load_after}\n\
         {rounds} rounds{few}, each of {connections} connections, {family}, MTU {mtu}, seed {seed}\n\
         median [quartiles]; ratios and differences: median [95 % interval]\n\n{}{void}",
        table(&lines)
    )
}

fn line(measured: &Measured) -> Vec<String> {
    let name = measured.case.to_string();
    let Some(figures) = &measured.figures else { return vec![name, "void".to_owned()] };
    let or_dash = |comparison: &Option<Comparison>, show: fn(&Comparison) -> String| {
        comparison.as_ref().map_or_else(|| "–".to_owned(), show)
    };
    vec![
        name,
        figures.connections_per_second.show(0),
        figures.pod_cpu.show(1),
        figures.both_cpu.show(1),
        or_dash(&figures.to_straight, |with| format!("{}, {}", with.rate.show(2), with.pod_cpu.show(2))),
        or_dash(&figures.to_baseline, |with| {
            let (pod, both) = (with.pod_cpu_more.show(1), with.both_cpu_more.show(1));
            format!("{pod}, {both} than {}", with.with)
        }),
    ]
}

fn reason(measured: &Measured) -> Option<String> {
    let reason = measured.void.as_ref()?;
    Some(format!("\n{} is void: {reason}\n", measured.case))
}
