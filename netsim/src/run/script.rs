//! Carries out the steps of a scenario, one after the other or side by side.
//!
//! Must never go on after an installation that failed: what comes then would show nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stage::Stage;
use super::state::{self, State};
use super::{Check, RunError, connection, program, query};
use crate::actor;
use crate::scenario::{Burst, Expectation, Step};

/// How long a burst may take altogether.
const BURST: Duration = Duration::from_secs(120);

/// The checks of all steps. `before` becomes the state before the first installation.
pub(super) fn perform(
    stage: &Stage,
    before: &Mutex<Option<State>>,
    steps: &[Step],
) -> Result<Vec<Check>, RunError> {
    let mut checks = Vec::new();
    for step in steps {
        let done = one(stage, before, step)?;
        let failed = matches!(step, Step::Install(_)) && done.iter().any(|check| !check.passed());
        checks.extend(done);
        if failed {
            break;
        }
    }
    Ok(checks)
}

fn one(stage: &Stage, before: &Mutex<Option<State>>, step: &Step) -> Result<Vec<Check>, RunError> {
    Ok(match step {
        Step::Install(install) => {
            remember(stage, before)?;
            vec![stage.install(&install.value)?]
        }
        Step::Uninstall(_) => vec![stage.uninstall()?],
        Step::LoadRules(text) => vec![stage.load_rules(text)?],
        Step::Expect(list) => {
            let mut checks = Vec::new();
            for expectation in list {
                checks.extend(expect(stage, &expectation.value)?);
            }
            checks
        }
        Step::Burst(wanted) => vec![burst(stage, &wanted.value)?],
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

fn expect(stage: &Stage, expectation: &Expectation) -> Result<Vec<Check>, RunError> {
    if let Some(name) = &expectation.ask {
        return query::checks(stage, expectation, name);
    }
    let check = match &expectation.to {
        Some(to) => connection::check(stage, expectation, &to.value),
        None => program::check(stage, expectation),
    };
    Ok(vec![check?])
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

fn burst(stage: &Stage, wanted: &Burst) -> Result<Check, RunError> {
    let to = stage.endpoint(&wanted.to.value)?;
    let title = format!("{} → {}, {} times", wanted.from, wanted.to.value, wanted.connections);
    let tally = match stage.client(wanted.from) {
        Some(client) => {
            let (connections, at_once) = (wanted.connections, wanted.at_once.max(1));
            client.burst(actor::Burst { to, connections, at_once }, BURST)?
        }
        None => actor::Tally::default(),
    };
    let ends: Vec<String> = tally.0.iter().map(|(end, count)| format!("{count} {end}")).collect();
    let happened = if ends.is_empty() { "none".to_owned() } else { ends.join(", ") };
    let reached = tally.0.get(&wanted.reaches.to_string()).copied().unwrap_or(0);
    let mut problems = Vec::new();
    if reached != wanted.connections || tally.0.len() != 1 {
        let expected = format!("{} {}", wanted.connections, wanted.reaches);
        problems.push(format!("expected {expected}, got {happened}"));
    }
    Ok(Check { title, happened, printed: String::new(), explanation: None, problems })
}
