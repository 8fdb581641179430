//! Steps at which a test ends a run, as `kill -9` would: [`VARIABLE`] names the step.
//!
//! Compiled in with the feature `fault-points` only, which no build for users has. Must never do anything else.

use super::change::Change;
use super::patience::Patience;
use crate::iptables::render::InstalledRules;

/// Names the step: a word of the places where one is reached, or `load/I/J`, when the first I tables of IPv4 and the
/// first J of IPv6 are loaded.
#[cfg(feature = "fault-points")]
const VARIABLE: &str = "TPROXY_FAULT_POINT";

/// Ends the run if this step is named.
#[cfg(feature = "fault-points")]
pub(crate) fn reach(step: &str) {
    if std::env::var(VARIABLE).is_ok_and(|named| named == step) {
        end();
    }
}

/// Ends the run when so many tables of `batch` are loaded as is named.
#[cfg(feature = "fault-points")]
pub(super) fn load(batch: &[Change], before: &[InstalledRules], patience: &Patience) {
    use super::{execute, interruption::Rest, partial::Way};
    use crate::{family::IpFamily, iptables::tables_of};
    let named = std::env::var(VARIABLE).unwrap_or_default();
    let Some((ipv4, ipv6)) = named.strip_prefix("load/").and_then(|counts| counts.split_once('/')) else {
        return;
    };
    for change in batch {
        let Change::Restore { tool, forward, backward } = change else { return };
        let count = if tool.family == IpFamily::V4 { ipv4 } else { ipv6 }.parse().unwrap_or(0);
        let forward: String = tables_of(forward).take(count).map(|(_, text)| text).collect();
        let first = Change::Restore { tool: tool.clone(), forward, backward: backward.clone() };
        let way = Way { before, back: false };
        if let Err(failure) = execute::perform(&first, way, patience, Rest::UNDISTURBED) {
            eprintln!("{VARIABLE}: {}", failure.cause);
            return;
        }
    }
    end();
}

/// Lets a program that is started live on.
#[cfg(feature = "fault-points")]
pub(crate) fn spare(command: &mut std::process::Command) {
    command.env_remove(VARIABLE);
}

#[cfg(feature = "fault-points")]
fn end() {
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
}

/// Nothing, without the feature.
#[cfg(not(feature = "fault-points"))]
pub(crate) fn reach(_step: &str) {}

/// Nothing, without the feature.
#[cfg(not(feature = "fault-points"))]
pub(super) fn load(_batch: &[Change], _before: &[InstalledRules], _patience: &Patience) {}

/// Nothing, without the feature.
#[cfg(not(feature = "fault-points"))]
pub(crate) fn spare(_command: &mut std::process::Command) {}
