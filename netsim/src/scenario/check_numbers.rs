//! Numbers and lists that make a step say nothing, or never end.
//!
//! Must never look at the system.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_saphyr::Location;

use super::check::{Problem, problem};
use super::crowd::{Burst, Queries};
use super::expectation::Expectation;
use super::schema::Document;
use super::spanned::Spanned;
use super::step::{Deed, Install, Repeat, Step, Until, WaitFor};
use super::table::Table;

/// More than this is held in memory twice.
const MOST_BYTES: usize = 64 << 20;
/// As long as a list of steps waits for another.
const LONGEST: Duration = Duration::from_secs(60);

/// All of them.
pub(super) fn problems(document: &Document) -> Vec<Problem> {
    let script = document.script();
    let mut problems = Vec::new();
    for_each(&script, &mut |step| problems.extend(of_step(step, document, &script)));
    problems
}

/// Visits steps, also those within others.
fn for_each(steps: &[Step], visit: &mut impl FnMut(&Step)) {
    for step in steps {
        visit(step);
        match step {
            Step::Repeat(repeat) => for_each(&repeat.steps, visit),
            Step::Parallel(lists) => lists.iter().for_each(|list| for_each(list, visit)),
            _ => {}
        }
    }
}

fn of_step(step: &Step, document: &Document, script: &[Step]) -> Vec<Problem> {
    let found: Vec<(Location, Option<String>)> = match step {
        Step::Repeat(repeat) => vec![(document.name.referenced, repeated(repeat))],
        Step::Table(table) => vec![(table.referenced, empty_table(&table.value))],
        Step::Logs(prefixes) => {
            let is_empty = prefixes.value.is_empty() || prefixes.value.iter().any(String::is_empty);
            vec![(prefixes.referenced, is_empty.then(|| "`logs` must name prefixes".to_owned()))]
        }
        Step::Burst(burst) => vec![(burst.referenced, burst_of(&burst.value, script))],
        Step::Queries(queries) => vec![(queries.referenced, queries_of(&queries.value, script))],
        Step::WaitFor(wait) => vec![(wait.referenced, waited(&wait.value, script))],
        Step::LinkDown(down) => {
            let is_long = down.value.lasting.is_some_and(|lasting| lasting.0 > LONGEST);
            vec![(down.referenced, is_long.then(|| format!("`for` is at most {}s", LONGEST.as_secs())))]
        }
        Step::Install(install) => vec![(install.referenced, ending(&install.value))],
        Step::Expect(list) => list.iter().map(|one| (one.referenced, expected(one))).collect(),
        _ => Vec::new(),
    };
    found.into_iter().filter_map(|(location, message)| Some(problem(location, message?))).collect()
}

fn outside(name: &str, number: usize, range: RangeInclusive<usize>) -> Option<String> {
    let (from, to) = (range.start(), range.end());
    (!range.contains(&number)).then(|| format!("`{name}` is from {from} to {to}, not {number}"))
}

fn repeated(repeat: &Repeat) -> Option<String> {
    outside("repeat: times", usize::try_from(repeat.times).unwrap_or(usize::MAX), 1..=10_000)
}

fn empty_table(table: &Table) -> Option<String> {
    let is_empty = table.rows.is_empty() || table.columns.is_empty();
    is_empty.then(|| "a table without rows or columns shows nothing".to_owned())
}

fn burst_of(burst: &Burst, script: &[Step]) -> Option<String> {
    outside("connections", burst.connections, 1..=1_000_000)
        .or_else(|| outside("at-once", burst.at_once, 1..=1_000))
        .or_else(|| endless(burst.until.as_ref(), script))
}

fn queries_of(queries: &Queries, script: &[Step]) -> Option<String> {
    let ports: BTreeSet<u16> = queries.source_ports.iter().copied().collect();
    let are_odd = ports.contains(&0) || ports.len() != queries.source_ports.len();
    outside("times", queries.times, 1..=1_000_000)
        .or_else(|| are_odd.then(|| "`source-ports` are from 1 to 65535, each once".to_owned()))
        .or_else(|| endless(queries.until.as_ref(), script))
}

fn endless(until: Option<&Spanned<Until>>, script: &[Step]) -> Option<String> {
    let Until { done, times } = until?.value;
    too_seldom(done, times, script)
}

fn waited(wait: &WaitFor, script: &[Step]) -> Option<String> {
    too_seldom(wait.done?, wait.times, script)
}

/// Whether something is waited for that is not done so often.
fn too_seldom(deed: Deed, times: usize, script: &[Step]) -> Option<String> {
    let done = count(script, deed);
    // That no step does it at all is told elsewhere.
    (done > 0 && times > done)
        .then(|| format!("the steps of this file do `{deed}` {done} times, not {times}"))
}

fn count(steps: &[Step], deed: Deed) -> usize {
    let of = |step: &Step| match step {
        Step::Repeat(repeat) => {
            let times = usize::try_from(repeat.times).unwrap_or(usize::MAX);
            times.saturating_mul(count(&repeat.steps, deed))
        }
        Step::Parallel(lists) => lists.iter().map(|list| count(list, deed)).sum(),
        step => usize::from(step.deed() == Some(deed)),
    };
    steps.iter().map(of).fold(0, usize::saturating_add)
}

fn ending(install: &Install) -> Option<String> {
    let code = install.exit_code.filter(|code| !(0..=255).contains(code));
    let code = code.map(|code| format!("`exit-code` is from 0 to 255, not {code}"));
    code.or_else(|| empty(install.prints.as_deref()))
}

fn empty(prints: Option<&str>) -> Option<String> {
    (prints == Some("")).then(|| "`prints` must hold some text: anything contains none".to_owned())
}

fn expected(wanted: &Spanned<Expectation>) -> Option<String> {
    let wanted = &wanted.value;
    wanted
        .bytes
        .and_then(|bytes| outside("bytes", bytes, 1..=MOST_BYTES))
        .or_else(|| empty(wanted.prints.as_deref()))
        .or_else(|| (wanted.source_port == Some(0)).then(|| "`source-port` is from 1 to 65535".to_owned()))
}
