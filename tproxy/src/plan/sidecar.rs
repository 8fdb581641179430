//! Who the sidecar is on this host.
//!
//! Must never look a user up: what the host knows is in the facts.

use super::note::{DEFAULT_NAME, DEFAULT_UID, Note, PlanError};
use crate::config::{Config, SidecarUser};
use crate::host::HostFacts;

/// What to do where neither the configuration nor the host says who the sidecar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// Refuse: rules for the wrong user would loop or capture nothing.
    MustExist,
    /// Take uid 5678 and say so: nothing is going to be changed.
    MayBeAssumed,
}

/// The sidecar's uid. A pod that a CNI plugin sets up has users of its own, so there numbers need not be known here, and
/// 5678 is taken without a word (Kuma behaviour).
pub(super) fn uid(
    config: &Config,
    facts: &HostFacts,
    sidecar: Sidecar,
    notes: &mut Vec<Note>,
) -> Result<u32, PlanError> {
    match &config.kuma_dp_user {
        Some(SidecarUser::Uid(uid)) => {
            if !facts.users.has_uid(*uid) && !config.cni_mode {
                notes.push(Note::UnknownUid(*uid));
            }
            Ok(*uid)
        }
        Some(SidecarUser::Name(name)) => {
            facts.users.uid_of(name).ok_or_else(|| PlanError::UnknownUser(name.clone()))
        }
        None if facts.users.has_uid(DEFAULT_UID) || config.cni_mode => Ok(DEFAULT_UID),
        None => match (facts.users.uid_of(DEFAULT_NAME), sidecar) {
            (Some(uid), _) => Ok(uid),
            (None, Sidecar::MustExist) => Err(PlanError::NoSidecarUser),
            (None, Sidecar::MayBeAssumed) => {
                notes.push(Note::SidecarAssumed);
                Ok(DEFAULT_UID)
            }
        },
    }
}
