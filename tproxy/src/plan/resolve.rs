//! Configuration and host facts become a plan.
//!
//! Must never look anything up: what the host knows is in the facts.

use std::collections::BTreeSet;
use std::fmt;

use super::{Host, Inbound, Outbound, Plan, Policy};
use crate::config::{Config, IpFamilyMode, Redirect, SidecarUser};
use crate::family::IpFamily;
use crate::host::HostFacts;

/// The uid that Kuma gives its sidecar.
const DEFAULT_UID: u32 = 5678;
/// The user name that Kuma gives its sidecar.
const DEFAULT_NAME: &str = "kuma-dp";

/// What to do where neither the configuration nor the host says who the sidecar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// Refuse: rules for the wrong user would loop or capture nothing.
    MustExist,
    /// Take uid 5678 and say so: nothing is going to be changed.
    MayBeAssumed,
}

/// Something that the user should know, though the plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Nobody said who the sidecar is.
    SidecarAssumed,
    /// No user has the given uid.
    UnknownUid(u32),
    /// IPv6 is wanted but cannot be captured here.
    Ipv4Only {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SidecarAssumed => write!(
                f,
                "this host has neither uid {DEFAULT_UID} nor user {DEFAULT_NAME}: uid {DEFAULT_UID} is assumed"
            ),
            Self::UnknownUid(uid) => write!(f, "no user of this host has uid {uid}; it is used as given"),
            Self::Ipv4Only { reason } => write!(f, "only IPv4 is captured: {reason}"),
        }
    }
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The configured user name is not known.
    #[error(
        "user `{0}` does not exist on this host: give a user that does, or a user id, with --kuma-dp-user"
    )]
    UnknownUser(String),
    /// Nobody said who the sidecar is.
    #[error(
        "the sidecar's user is not known: this host has neither uid {DEFAULT_UID} nor user {DEFAULT_NAME}; \
         name it with --kuma-dp-user"
    )]
    NoSidecarUser,
}

/// Resolves `config` on a host with these `facts`.
///
/// # Errors
/// The sidecar's user is unknown.
pub fn resolve(config: &Config, facts: &HostFacts, sidecar: Sidecar) -> Result<(Plan, Vec<Note>), PlanError> {
    let mut notes = Vec::new();
    let sidecar_uid = sidecar_uid(config, facts, sidecar, &mut notes)?;
    let families = families(config, facts, &mut notes);
    let (inbound, outbound) = (directed(&config.inbound), directed(&config.outbound));
    let policy = Policy {
        sidecar_uid,
        families,
        inbound: Inbound {
            enabled: inbound.enabled,
            port: inbound.port,
            include_ports: inbound.include_ports,
            exclude_ports: inbound.exclude_ports,
            exclude_sources: Vec::new(),
            exclude_interfaces: Vec::new(),
        },
        outbound: Outbound {
            enabled: outbound.enabled,
            port: outbound.port,
            include_ports: outbound.include_ports,
            exclude_ports: outbound.exclude_ports,
            exclusions: Vec::new(),
            exclude_interfaces: Vec::new(),
        },
        dns: None,
        vnets: Vec::new(),
        drop_invalid: false,
    };
    let host = Host { loopback: facts.loopback.clone(), addresses: own_addresses(facts, &policy.families) };
    Ok((Plan { policy, host }, notes))
}

/// Exclusions do not count beside an include list, so that equal policies have equal digests.
fn directed(redirect: &Redirect) -> Redirect {
    let mut redirect = redirect.clone();
    if !redirect.include_ports.is_empty() {
        redirect.exclude_ports = crate::config::ports::Ports::default();
    }
    redirect
}

fn sidecar_uid(
    config: &Config,
    facts: &HostFacts,
    sidecar: Sidecar,
    notes: &mut Vec<Note>,
) -> Result<u32, PlanError> {
    match &config.kuma_dp_user {
        Some(SidecarUser::Uid(uid)) => {
            if !facts.users.has_uid(*uid) {
                notes.push(Note::UnknownUid(*uid));
            }
            Ok(*uid)
        }
        Some(SidecarUser::Name(name)) => {
            facts.users.uid_of(name).ok_or_else(|| PlanError::UnknownUser(name.clone()))
        }
        None if facts.users.has_uid(DEFAULT_UID) => Ok(DEFAULT_UID),
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

fn families(config: &Config, facts: &HostFacts, notes: &mut Vec<Note>) -> BTreeSet<IpFamily> {
    let mut families = BTreeSet::from([IpFamily::V4]);
    if config.ip_family_mode == IpFamilyMode::DualStack {
        match &facts.without_ipv6 {
            None => {
                families.insert(IpFamily::V6);
            }
            Some(reason) => notes.push(Note::Ipv4Only { reason: reason.clone() }),
        }
    }
    families
}

/// The host's addresses once the plan is installed: capturing IPv6 gives loopback the passthrough source.
fn own_addresses(facts: &HostFacts, families: &BTreeSet<IpFamily>) -> BTreeSet<std::net::IpAddr> {
    let mut addresses: BTreeSet<_> = facts.addresses.iter().map(|own| own.address.to_canonical()).collect();
    if families.contains(&IpFamily::V6) {
        addresses.insert(IpFamily::V6.passthrough());
    }
    addresses
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
