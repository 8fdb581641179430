//! What of firewalld's configuration counts for a run, and how a change of it is told.
//!
//! Must never let a file that this run need not change stand in its way.

use super::Surroundings;
use super::error::CliError;
use crate::apply::change::{Change, StoredFile};
use crate::apply::record::Record;
use crate::config::Config;
use crate::firewalld::{self, DirectFile};
use crate::host;
use crate::iptables::render::Installed;

/// Why a run looks at the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To store rules in it.
    Store,
    /// To print what would be stored, on a host that may have none.
    Show,
    /// To remove what was stored.
    Remove,
}

impl Purpose {
    /// Of an installation. A CNI plugin's work is a pod, and the file is the machine's: it is left alone.
    pub(super) fn of(config: &Config) -> Option<Self> {
        match (config.store_firewalld, config.dry_run) {
            (true, true) => Some(Self::Show),
            (true, false) => Some(Self::Store),
            (false, _) => (!config.cni_mode).then_some(Self::Remove),
        }
    }
}

/// Adds to `installed` what is stored.
pub(super) fn observe(
    installed: &mut Installed,
    purpose: Option<Purpose>,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    if let Some(purpose) = purpose {
        installed.stored = read(purpose, installed.record.as_ref(), surroundings)?;
    }
    Ok(())
}

fn read(
    purpose: Purpose,
    record: Option<&Record>,
    surroundings: &mut Surroundings<'_>,
) -> Result<Option<DirectFile>, CliError> {
    if !host::firewalld::is_configured() {
        if purpose != Purpose::Show {
            return Ok(None);
        }
        surroundings.warn(format!(
            "[dry-run]: there is no {}; this is what a new file would be",
            firewalld::DIRECTORY
        ));
    }
    let (path, text) = match host::firewalld::direct() {
        Ok(found) => found,
        Err(error) if purpose == Purpose::Show && error.is_denied() => {
            surroundings.warn(format!("[dry-run]: {error}; this is what a new file would be"));
            (firewalld::FILE.into(), None)
        }
        Err(error) if purpose == Purpose::Remove && !record.is_some_and(|record| record.stored) => {
            if !error.is_denied() {
                surroundings.warn(format!("{error}; if tproxy stored rules there, they stay"));
            }
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if purpose == Purpose::Remove {
        // Whoever does not store rules need not care what else is wrong with the file.
        if !text.as_deref().is_some_and(DirectFile::mentions_us) {
            return Ok(None);
        }
        let file = DirectFile::read(&path, text)?;
        if file.has_ours() && record.is_some_and(|record| !record.stored) {
            surroundings.warn(format!(
                "{}: the rules of tproxy in it were stored from another network namespace; they stay",
                path.display()
            ));
            return Ok(None);
        }
        return Ok(Some(file));
    }
    Ok(Some(DirectFile::read(&path, text)?))
}

/// Says what was stored or removed, and that firewalld has not read it.
pub(super) fn tell(changes: &[Change], surroundings: &mut Surroundings<'_>) {
    for change in changes {
        let Change::Store(StoredFile { path, after, .. }) = change else { continue };
        let path = path.display();
        surroundings.tell(match after {
            Some(text) if DirectFile::is_ours_in(text) => format!(
                "# stored in {path}, too: firewalld loads it when it starts, or with `firewall-cmd --reload`; the rules \
                 are there already"
            ),
            _ => format!("# removed from {path}: a running firewalld forgets them with `firewall-cmd --reload`"),
        });
    }
}
