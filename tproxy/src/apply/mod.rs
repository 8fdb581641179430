//! Carries out changes, all or none. The only place that changes the system.
//!
//! Must never decide what to change: changes come rendered, with their inverses.

mod address;
pub mod change;
mod execute;
pub mod interruption;
pub mod journal;
pub mod lock;
pub mod patience;
pub mod record;
mod stored;

use change::Change;
use execute::ExecuteError;
use interruption::Interruptions;
use patience::Patience;

/// Changes that were not all applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// One failed, those before it were taken back: the state is the one before.
    #[error("{cause}; everything was taken back")]
    RolledBack {
        /// What failed.
        cause: ExecuteError,
    },
    /// One failed, and taking back those before it failed, too.
    #[error("{cause}; and taking it back failed, too: {}; run `tproxy uninstall`", join(.undone))]
    Stuck {
        /// What failed.
        cause: ExecuteError,
        /// What could not be taken back.
        undone: Vec<ExecuteError>,
    },
}

fn join(errors: &[ExecuteError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Performs `changes` in order, the restores of both families side by side. When one fails, or a signal asks to end,
/// those that were performed are undone in the opposite order.
///
/// # Errors
/// What failed, and whether everything could be taken back.
pub fn apply(changes: &[Change], patience: &Patience, signals: &Interruptions) -> Result<(), ApplyError> {
    let mut done: Vec<&Change> = Vec::new();
    for batch in batches(changes) {
        let (performed, failed) = perform_together(batch, patience);
        done.extend(performed);
        let interrupted = || signals.pending().map(|signal| ExecuteError::Interrupted(signal.as_str()));
        if let Some(cause) = failed.or_else(interrupted) {
            return Err(undo(&done, cause));
        }
    }
    Ok(())
}

/// Changes that do not depend on each other: neighbouring restores of different families.
fn batches(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    changes.chunk_by(|left, right| match (left, right) {
        (Change::Restore { tool: left, .. }, Change::Restore { tool: right, .. }) => {
            left.family != right.family
        }
        _ => false,
    })
}

fn perform_together<'a>(batch: &'a [Change], patience: &Patience) -> (Vec<&'a Change>, Option<ExecuteError>) {
    let outcomes: Vec<_> = match batch {
        [only] => vec![execute::perform(only, patience)],
        several => std::thread::scope(|scope| {
            let running: Vec<_> =
                several.iter().map(|change| scope.spawn(|| execute::perform(change, patience))).collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        }),
    };
    let mut failed = None;
    let mut performed = Vec::new();
    for (change, outcome) in batch.iter().zip(outcomes) {
        match outcome {
            Ok(()) => performed.push(change),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    (performed, failed)
}

fn undo(done: &[&Change], cause: ExecuteError) -> ApplyError {
    let patience = Patience::to_undo();
    let undone: Vec<_> =
        done.iter().rev().filter_map(|change| execute::perform(&change.inverse(), &patience).err()).collect();
    if undone.is_empty() { ApplyError::RolledBack { cause } } else { ApplyError::Stuck { cause, undone } }
}
