//! Carries out changes, all or none. The only place that changes the system.
//!
//! Must never decide what to change: changes come rendered, with their inverses.

mod address;
pub mod change;
mod execute;
pub mod journal;
pub mod lock;
pub mod record;

use change::Change;
use execute::ExecuteError;

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

/// Performs `changes` in order. When one fails, those before it are undone in the opposite order.
///
/// # Errors
/// What failed, and whether everything could be taken back.
pub fn apply(changes: &[Change]) -> Result<(), ApplyError> {
    for (done, change) in changes.iter().enumerate() {
        if let Err(cause) = execute::perform(change) {
            let undone: Vec<_> = changes
                .iter()
                .take(done)
                .rev()
                .filter_map(|change| execute::perform(&change.inverse()).err())
                .collect();
            return Err(if undone.is_empty() {
                ApplyError::RolledBack { cause }
            } else {
                ApplyError::Stuck { cause, undone }
            });
        }
    }
    Ok(())
}
