//! Runs a real program as a check and judges what it did.

use super::stage::{PROGRAM_DEADLINE, Stage};
use super::{About, Check, RunError};
use crate::node::{Exit, Program};
use crate::patience::patient;
use crate::scenario::{Endpoint, Expectation};

pub(super) fn check(stage: &Stage, wanted: &Expectation) -> Result<Check, RunError> {
    stage.proxy.take_seen();
    let words = wanted.run.iter().map(|word| fill(stage, word)).collect::<Result<Vec<_>, _>>()?;
    let title = format!("{}: {}", wanted.from, words.join(" "));
    let Some((name, arguments)) = words.split_first() else {
        return Ok(Check::new(About::Traffic, title, "", vec!["there is no program".to_owned()]));
    };
    let identity =
        stage.client(&wanted.from).map_or(crate::node::Identity::ROOT, crate::actor::Client::identity);
    let finished = Program::new(name)
        .args(arguments.iter().cloned())
        .identity(identity)
        .deadline(patient(PROGRAM_DEADLINE))
        .run(stage.network.node(stage.whereabouts(&wanted.from).0)?)?;
    let mut problems = Vec::new();
    let expected = Exit::Code(wanted.exit_code.unwrap_or(0));
    if finished.exit != expected || finished.timed_out {
        problems.push(format!("expected {expected}, got {finished}"));
    }
    if let Some(text) = wanted.prints.as_ref().filter(|text| !finished.stdout_text().contains(*text)) {
        problems
            .push(format!("expected it to print `{text}`; it printed `{}`", finished.stdout_text().trim()));
    }
    let passed: Vec<_> = stage.proxy.take_seen();
    let actors: Vec<_> = passed.iter().map(|seen| seen.actor.clone()).collect();
    if let Some(through) = &wanted.through {
        let expected: Vec<_> = through.iter().map(ToString::to_string).collect();
        if expected != actors {
            problems.push(format!(
                "expected to pass [{}], passed [{}]",
                expected.join(", "),
                actors.join(", ")
            ));
        }
    }
    if let Some(endpoint) = &wanted.original_destination {
        let expected = stage.endpoint(&endpoint.value)?;
        let learned = passed.first().and_then(|seen| seen.original_destination);
        if learned != Some(expected) {
            problems
                .push(format!("original destination: expected {expected}, the sidecar learned {learned:?}"));
        }
    }
    let by = if actors.is_empty() { String::new() } else { format!(", by {}", actors.join(", ")) };
    let happened = format!("{}{by}", finished.exit);
    let printed = finished.stdout_text();
    Ok(Check { printed, ..Check::new(About::Traffic, title, happened, problems) })
}

/// Replaces `{name:port}` and `{name}` by what they mean in this variant's family.
fn fill(stage: &Stage, word: &str) -> Result<String, RunError> {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let meant = after.split_once('}').and_then(|(name, tail)| Some((meaning(stage, name)?, tail)));
        match meant {
            Some((text, tail)) => {
                filled.push_str(&text?);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What stands in braces, if it is a name or has the form of an endpoint.
fn meaning(stage: &Stage, name: &str) -> Option<Result<String, RunError>> {
    match Endpoint::try_from(name.to_owned()) {
        Ok(endpoint) => Some(stage.endpoint(&endpoint).map(|address| address.to_string())),
        Err(_) => stage.address(name).ok().map(|address| Ok(address.to_string())),
    }
}
