//! `tproxy guard`: the guardian of an installation that somebody has to confirm, started by `install --confirm-within`.
//!
//! Must never print, since nobody reads, and never end as long as there is something to guard.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::Surroundings;
use super::back::return_before;
use super::error::CliError;
use super::install::permit_changes;
use crate::apply::guardian::Post;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::config::Config;
use crate::host::clock;

/// No flags: all that it needs to know stands in the journal.
#[derive(Debug, Args)]
pub(super) struct Guard {}

/// How long one try to return the state before may take, and to get the lock.
const A_TRY: Duration = Duration::from_secs(300);
/// How long it rests after one that failed.
const A_REST: Duration = Duration::from_secs(2);

/// What there is to guard.
enum Duty {
    /// Nothing, or nothing any more.
    Done,
    /// To look again at this time since the boot, or when somebody rings.
    Until(Duration),
}

impl Guard {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let mut post = Post::taken()?;
        permit_changes(surroundings)?;
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        loop {
            // The first look waits until the installation is over, since that holds the lock.
            let next = match Lock::acquire(A_TRY) {
                Ok(lock) => match duty(&journal, surroundings)? {
                    Duty::Done => {
                        // Whoever gets the lock next must not rely on a guardian that leaves.
                        drop(post);
                        drop(lock);
                        return Ok(());
                    }
                    Duty::Until(next) => next,
                },
                Err(_) => after_a_rest()?,
            };
            post.wait(next)?;
        }
    }
}

/// Looks into the journal, and returns the state before where it is time. Whatever fails is tried again.
fn duty(journal: &Journal, surroundings: &mut Surroundings<'_>) -> Result<Duty, CliError> {
    let Ok(record) = journal.read() else { return Ok(Duty::Until(after_a_rest()?)) };
    let Some((record, unconfirmed)) =
        record.as_ref().and_then(|record| Some((record, record.unconfirmed.as_ref()?)))
    else {
        return Ok(Duty::Done);
    };
    if unconfirmed.left(clock::since_boot()?).is_some() {
        return Ok(Duty::Until(unconfirmed.deadline()));
    }
    let patience = Patience::new(Config::default().loading, A_TRY);
    let returned = return_before(journal, record, unconfirmed, &patience, surroundings);
    // One that came meanwhile ends the process now, and no later try.
    surroundings.signals = None;
    match returned {
        Ok(()) => {
            // Whoever confirms too late learns less without it, and nothing else depends on it.
            let _ = journal.note_return();
            Ok(Duty::Done)
        }
        Err(_) => Ok(Duty::Until(after_a_rest()?)),
    }
}

fn after_a_rest() -> Result<Duration, CliError> {
    Ok(clock::since_boot()? + A_REST)
}
