//! `tproxy confirm`, and what the other verbs do about an installation that waits for it.
//!
//! Must never decide against the journal: what it says under the lock counts, for this verb as for the guardian.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Surroundings;
use super::back::return_before;
use super::error::CliError;
use super::install::permit_changes;
use super::limits::Limits;
use crate::apply::guardian;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::record::{Before, Phase, Record, Unconfirmed};
use crate::config::Config;
use crate::config::value::{Spelling, Value};
use crate::host::clock;

/// The flags of `tproxy confirm`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy install --confirm-within 30s && tproxy confirm

Exit code 1: nothing waits to be confirmed, or it was too late and the state before is back")]
pub(super) struct Confirm {
    #[command(flatten)]
    limits: Limits,
}

impl Confirm {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        permit_changes(surroundings)?;
        let patience = self.limits.patience(Config::default().loading);
        let lock = Lock::acquire(patience.left())?;
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let nothing = || if journal.take_return() { CliError::TooLate } else { CliError::NothingToConfirm };
        let record = journal.read()?.ok_or_else(nothing)?;
        let unconfirmed = record.unconfirmed.as_ref().ok_or_else(nothing)?;
        let in_time = unconfirmed.left(clock::since_boot()?).is_some();
        match (in_time, record.phase) {
            (false, _) => return_before(&journal, &record, unconfirmed, &patience, surroundings)?,
            (true, Phase::Applying) => return Err(CliError::HalfInstalled),
            (true, Phase::Installed) => journal.write(&record.confirmed())?,
        }
        drop(lock);
        dismiss(surroundings);
        if !in_time {
            return Err(CliError::TooLate);
        }
        if surroundings.output.json {
            surroundings.print_json(&Confirmed { confirmed: true })?;
        }
        surroundings.tell("# confirmed: what is installed stays");
        Ok(())
    }
}

/// With `--json`.
#[derive(Debug, Serialize)]
struct Confirmed {
    confirmed: bool,
}

/// How long the guardian may take to see that it is not needed any more.
const TO_LEAVE: Duration = Duration::from_secs(10);

/// Lets the guardian see that there is nothing to guard any more. It needs the lock for that. Where it does not see it now,
/// it does at the deadline.
pub(super) fn dismiss(surroundings: &mut Surroundings<'_>) {
    let left = guardian::ring().and_then(|bell| Ok(bell.map_or(Ok(()), |bell| bell.wait(TO_LEAVE))?));
    if let Err(error) = left {
        surroundings.warn(error);
    }
}

/// Refuses to install over what waits to be confirmed, while there is somebody who returns the state before.
pub(super) fn permit_install(before: Option<&Record>) -> Result<(), CliError> {
    let Some(unconfirmed) = before.and_then(|record| record.unconfirmed.as_ref()) else { return Ok(()) };
    match unconfirmed.left(clock::since_boot()?).filter(|_| guardian::is_there()) {
        Some(left) => Err(CliError::Unconfirmed(left)),
        None => Ok(()),
    }
}

/// An installation that somebody has to confirm.
pub(super) struct Guarded {
    /// Within which time.
    within: Duration,
    /// What comes back otherwise.
    before: Before,
    /// Whether the journal says so.
    waits: bool,
}

impl Guarded {
    pub(super) fn new(within: Duration, before: Before) -> Self {
        Self { within, before, waits: false }
    }

    /// `record`, with the time that begins now.
    pub(super) fn record(&self, record: Record) -> Result<Record, CliError> {
        let deadline = clock::since_boot()? + self.within;
        Ok(record.to_be_confirmed(Unconfirmed::until(deadline, self.before.clone())))
    }

    /// Sees to it that somebody guards what `record` is about, before anything is changed.
    pub(super) fn begin(&mut self, journal: &Journal, record: Record) -> Result<Record, CliError> {
        guardian::start()?;
        let record = self.record(record)?;
        journal.write(&record).map_err(CliError::Unrecorded)?;
        self.waits = true;
        Ok(record)
    }

    /// What the user has to do now.
    pub(super) fn advice(&self) -> String {
        if !self.waits {
            return "# nothing has to be confirmed".to_owned();
        }
        let within = match self.within.write() {
            Value::Text(text) => text,
            _ => format!("{} s", self.within.as_secs()),
        };
        format!("# confirm with \"tproxy confirm\" within {within}, else the state before comes back")
    }
}
