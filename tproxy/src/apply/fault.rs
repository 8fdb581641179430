//! Steps at which a test ends a run: [`VARIABLE`] names the step, [`SIGNAL`] what is sent there; SIGKILL unless given.
//!
//! Compiled in with the feature `fault-points` only, which no build for users has. Must never do anything else.

#[cfg(feature = "fault-points")]
use nix::sys::signal::Signal;

use super::change::Change;
use super::patience::Patience;
use crate::iptables::render::InstalledRules;

/// Names the step: a word of the places where one is reached, or `load/I/J`, when the first I tables of IPv4 and the
/// first J of IPv6 are loaded, or `load/nft/I/J`, when those of this flavour are, where a run loads both. A run lives on
/// after any signal but SIGKILL, so that the loads are for SIGKILL alone.
#[cfg(feature = "fault-points")]
const VARIABLE: &str = "TPROXY_FAULT_POINT";
/// Names the signal that is sent at a step that is a word, as in `SIGTERM`.
#[cfg(feature = "fault-points")]
const SIGNAL: &str = "TPROXY_FAULT_SIGNAL";

/// Sends the signal if this step is named.
#[cfg(feature = "fault-points")]
pub(crate) fn reach(step: &str) {
    if std::env::var(VARIABLE).is_ok_and(|named| named == step) {
        let signal = std::env::var(SIGNAL).ok().and_then(|name| name.parse().ok());
        end(signal.unwrap_or(Signal::SIGKILL));
    }
}

/// Ends the run when so many tables of `batch` are loaded as is named.
#[cfg(feature = "fault-points")]
pub(super) fn load(batch: &[Change], before: &[InstalledRules], patience: &Patience) {
    use super::{execute, interruption::Rest, partial::Way};
    use crate::{family::IpFamily, iptables::tables_of};
    let named = std::env::var(VARIABLE).unwrap_or_default();
    let (flavour, ipv4, ipv6) = match named.split('/').collect::<Vec<_>>()[..] {
        ["load", ipv4, ipv6] => (None, ipv4, ipv6),
        ["load", flavour, ipv4, ipv6] => (Some(flavour), ipv4, ipv6),
        _ => return,
    };
    for change in batch {
        let Change::Restore { tool, forward, backward } = change else { return };
        if flavour.is_some_and(|named| tool.flavour.to_string() != named) {
            return;
        }
        let count = if tool.family == IpFamily::V4 { ipv4 } else { ipv6 }.parse().unwrap_or(0);
        let forward: String = tables_of(forward).take(count).map(|(_, text)| text).collect();
        let first = Change::Restore { tool: tool.clone(), forward, backward: backward.clone() };
        let way = Way { before, back: false };
        if let Err(failure) = execute::perform(&first, way, patience, Rest::UNDISTURBED) {
            eprintln!("{VARIABLE}: {}", failure.cause);
            return;
        }
    }
    end(Signal::SIGKILL);
}

/// Lets a program that is started live on.
#[cfg(feature = "fault-points")]
pub(crate) fn spare(command: &mut std::process::Command) {
    command.env_remove(VARIABLE).env_remove(SIGNAL);
}

#[cfg(feature = "fault-points")]
fn end(signal: Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), signal);
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
