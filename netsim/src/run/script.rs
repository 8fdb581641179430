//! Carries out the steps of a scenario, one after the other or side by side.
//!
//! Must never go on after an installation that failed: what comes then would show nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_saphyr::Spanned;

use super::evidence::Witness;
use super::stage::{POD, Stage};
use super::state::{self, State};
use super::{Check, RunError, connection, counters, crowd, faults, kept, nothing_left, program, query};
use crate::scenario::{Expectation, Step, WaitFor};

/// How long a list of steps waits for another.
const WAITING: Duration = Duration::from_secs(60);

/// The checks of all steps. `before` becomes the state before the first installation.
pub(super) fn perform(
    stage: &Stage,
    before: &Mutex<Option<State>>,
    steps: &[Step],
) -> Result<Vec<Check>, RunError> {
    let mut checks = Vec::new();
    for step in steps {
        collect(stage)?;
        let done = one(stage, before, step)?;
        if let Some(deed) = step.deed() {
            stage.deeds.change(|deeds| *deeds.entry(deed).or_default() += 1);
        }
        let installs = matches!(step, Step::Install(_) | Step::Reinstall(_));
        let failed = installs && done.iter().any(|check| !check.passed());
        checks.extend(done);
        if failed || stage.has_noticed(&checks) {
            break;
        }
    }
    Ok(checks)
}

/// Makes room for the packets of what comes next, where evidence is wanted.
fn collect(stage: &Stage) -> Result<(), RunError> {
    stage.witness.as_ref().map_or(Ok(()), Witness::collect)
}

fn one(stage: &Stage, before: &Mutex<Option<State>>, step: &Step) -> Result<Vec<Check>, RunError> {
    Ok(match step {
        Step::Install(install) => {
            remember(stage, before)?;
            vec![stage.install(&install.value)?]
        }
        Step::Reinstall(ending) => vec![stage.reinstall(&ending.value)?],
        Step::Uninstall(ending) => vec![stage.uninstall(&ending.value)?],
        Step::Kill(_) => {
            stage.proxy.kill()?;
            Vec::new()
        }
        Step::Restart(_) => {
            stage.proxy.restart(stage.network.node(POD)?)?;
            Vec::new()
        }
        Step::LoadRules(text) => vec![stage.load_rules(text)?],
        Step::Table(table) => expected(stage, &table.value.expectations())?,
        Step::LinkDown(_) | Step::LinkUp(_) | Step::AddAddress(_) | Step::Loss(_) => {
            faults::happen(stage, step)?;
            Vec::new()
        }
        Step::LeavesNothingBehind(_) => nothing_left(stage, before)?.into_iter().collect(),
        Step::Expect(list) => expected(stage, list)?,
        Step::Open(open) => vec![kept::open(stage, &open.value)?],
        Step::Talk(talk) => vec![kept::talk(stage, &talk.value)?],
        Step::Inject(inject) => vec![kept::inject(stage, &inject.value)?],
        Step::Logs(prefixes) => vec![counters::logs(stage, &prefixes.value)?],
        Step::Burst(wanted) => vec![crowd::burst(stage, &wanted.value)?],
        Step::Queries(wanted) => vec![crowd::queries(stage, &wanted.value)?],
        Step::WaitFor(wanted) => {
            wait_for(stage, &wanted.value)?;
            Vec::new()
        }
        Step::Repeat(repeat) => {
            let mut checks = Vec::new();
            for _ in 0..repeat.times {
                checks.extend(perform(stage, before, &repeat.steps)?);
            }
            checks
        }
        Step::Parallel(lanes) => parallel(stage, before, lanes)?,
    })
}

fn remember(stage: &Stage, before: &Mutex<Option<State>>) -> Result<(), RunError> {
    let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
    if before.is_none() {
        *before = Some(state::observe(&stage.network)?);
    }
    Ok(())
}

fn expected(stage: &Stage, list: &[Spanned<Expectation>]) -> Result<Vec<Check>, RunError> {
    let mut checks = Vec::new();
    for expectation in list {
        collect(stage)?;
        let found = expect(stage, &expectation.value)?;
        if let Some(witness) = stage.witness.as_ref().filter(|_| !found.iter().all(Check::passed)) {
            witness.failed(stage, &expectation.value, &found);
        }
        checks.extend(found);
        if stage.has_noticed(&checks) {
            break;
        }
    }
    Ok(checks)
}

/// Sends one flow, or queries by each kind of socket, and judges.
pub(super) fn expect(stage: &Stage, expectation: &Expectation) -> Result<Vec<Check>, RunError> {
    if let Some(name) = &expectation.ask {
        return query::checks(stage, expectation, name);
    }
    let check = match &expectation.to {
        Some(to) => connection::check(stage, expectation, &to.value),
        None => program::check(stage, expectation),
    };
    Ok(vec![check?])
}

fn wait_for(stage: &Stage, wanted: &WaitFor) -> Result<(), RunError> {
    let times = wanted.times;
    let has_happened = match (wanted.done, &wanted.seen_by) {
        (Some(deed), _) => {
            let enough = |count: &mut std::collections::BTreeMap<_, usize>| {
                (count.get(&deed).copied().unwrap_or(0) >= times).then_some(())
            };
            stage.deeds.wait_for(WAITING, enough).is_some()
        }
        (None, Some(listener)) => stage.proxy.wait_for_count(WAITING, listener.clone(), times),
        (None, None) => true,
    };
    if has_happened {
        return Ok(());
    }
    let deed = wanted.done.map(|deed| deed.to_string());
    let seen = wanted.seen_by.as_ref().map(|listener| format!("a connection or query to {listener}"));
    let what = deed.or(seen).unwrap_or_default();
    Err(RunError::NotHappened { what, times, within: WAITING })
}

fn parallel(
    stage: &Stage,
    before: &Mutex<Option<State>>,
    lanes: &[Vec<Step>],
) -> Result<Vec<Check>, RunError> {
    std::thread::scope(|scope| {
        let running: Vec<_> = lanes.iter().map(|lane| scope.spawn(|| perform(stage, before, lane))).collect();
        let mut checks = Vec::new();
        for lane in running {
            checks.extend(lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(checks)
    })
}
