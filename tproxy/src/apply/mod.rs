//! Carries out changes, all or none. The only place that changes the system.
//!
//! Must never decide what to change: changes come rendered, with their inverses.

pub(crate) mod address;
pub mod change;
pub mod conntrack;
mod execute;
pub(crate) mod fault;
pub mod guardian;
pub mod interruption;
pub mod journal;
pub mod lock;
mod partial;
pub mod patience;
pub mod record;
mod stored;

use change::Change;
use execute::{ExecuteError, Failure};
use interruption::{Interruptions, Rest};
use partial::Way;
use patience::Patience;

use crate::iptables::render::InstalledRules;

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

impl ApplyError {
    /// Whether a program refused what it was given to load, and nothing of it stayed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        use crate::process::ProcessError::Failed;
        matches!(self, Self::RolledBack { cause: ExecuteError::Restore { error: Failed { .. }, .. } })
    }
}

fn join(errors: &[ExecuteError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Performs `changes` in order over the rules that were there `before`, the restores of both families side by side. When
/// one fails, or a signal asks to end, all that was performed is undone in the opposite order. Returns whether all went
/// well at once: where something was tried again, other programs may have been at work, too.
///
/// # Errors
/// What failed, and whether everything could be taken back.
pub fn apply(
    changes: &[Change],
    before: &[InstalledRules],
    patience: &Patience,
    signals: &Interruptions,
) -> Result<bool, ApplyError> {
    let mut work = Work::default();
    for batch in batches(changes) {
        fault::load(batch, before, patience);
        work.perform_together(batch, before, patience, signals.rest());
        // What was given up because of a signal failed of it.
        let interrupted = signals.pending().map(|signal| ExecuteError::Interrupted(signal.as_str()));
        if let Some(cause) = interrupted.or_else(|| work.failed.take()) {
            return Err(work.undo(cause, before));
        }
        fault::reach(if matches!(batch, [Change::Restore { .. }, ..]) { "loaded" } else { "address" });
    }
    Ok(!work.again)
}

/// Changes that do not depend on each other: neighbouring restores of both families of one flavour. Those of the other
/// flavour come after them: what it captures is let go only when it is captured again.
fn batches(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    changes.chunk_by(|left, right| match (left, right) {
        (Change::Restore { tool: left, .. }, Change::Restore { tool: right, .. }) => {
            left.family != right.family && left.flavour == right.flavour
        }
        _ => false,
    })
}

/// How far a run came.
#[derive(Default)]
struct Work {
    /// What was performed, in order.
    done: Vec<Change>,
    /// The first failure.
    failed: Option<ExecuteError>,
    /// Where nobody knows what was performed.
    unseen: Vec<ExecuteError>,
    /// Whether anything was tried again.
    again: bool,
}

impl Work {
    fn perform_together(
        &mut self,
        batch: &[Change],
        before: &[InstalledRules],
        patience: &Patience,
        rest: Rest<'_>,
    ) {
        let perform = |change| execute::perform(change, Way { before, back: false }, patience, rest);
        let outcomes: Vec<_> = match batch {
            [only] => vec![perform(only)],
            several => std::thread::scope(|scope| {
                let running: Vec<_> =
                    several.iter().map(|change| scope.spawn(move || perform(change))).collect();
                running
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect()
            }),
        };
        for (change, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(tries) => {
                    self.done.push(change.clone());
                    self.again |= tries > 1;
                }
                Err(failure) => {
                    let Failure { cause, done, unseen } = *failure;
                    self.failed.get_or_insert(cause);
                    self.done.extend(done);
                    self.unseen.extend(unseen);
                }
            }
        }
    }

    fn undo(self, cause: ExecuteError, before: &[InstalledRules]) -> ApplyError {
        let patience = Patience::to_undo();
        let way = Way { before, back: true };
        let mut undone = self.unseen;
        for change in self.done.iter().rev() {
            // What was begun is taken back, whoever asks to end meanwhile.
            let performed = execute::perform(&change.inverse(), way, &patience, Rest::UNDISTURBED);
            undone.extend(performed.err().map(|failure| failure.cause));
        }
        if undone.is_empty() { ApplyError::RolledBack { cause } } else { ApplyError::Stuck { cause, undone } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::IpFamily;
    use crate::iptables::{Flavour, Tool};

    fn restore(flavour: Flavour, family: IpFamily) -> Change {
        let tool = Tool { flavour, family, save: "/save".into(), restore: "/restore".into() };
        Change::Restore { tool, forward: String::new(), backward: String::new() }
    }

    #[test]
    fn both_families_are_loaded_side_by_side_but_a_flavour_after_the_other() {
        let both = |flavour| IpFamily::ALL.map(|family| restore(flavour, family));
        let (nft, legacy) = (both(Flavour::Nft), both(Flavour::Legacy));
        let changes = [nft.clone(), legacy.clone()].concat();
        assert_eq!(batches(&changes).collect::<Vec<_>>(), [&nft[..], &legacy[..]]);
    }
}
