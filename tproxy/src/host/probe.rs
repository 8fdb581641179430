//! Tries rules with the host's own programs and kernel, in namespaces that end with each try.
//!
//! Must never change the caller's network, nor touch its xtables lock. (The kernel may load modules of its own accord,
//! as it would for an installation.)

use std::time::{Duration, Instant};

use crate::check::{Attempt, Trial};
use crate::family::IpFamily;
use crate::iptables::Tool;
use crate::iptables::feature::{self, Need};
use crate::process::{self, Apart, Output, ProcessError};

/// iptables over `x_tables` locks a file before it loads. Its standard input is a file that nobody else has.
const OWN_LOCK: (&str, &str) = ("XTABLES_LOCKFILE", "/proc/self/fd/0");

/// Tries all of them, one family beside the other.
pub(super) fn all(attempts: Vec<Attempt>, tools: &[Tool]) -> Vec<(Attempt, Trial)> {
    let Some(place) = tools.first().map(place) else { return Vec::new() };
    let (ipv4, ipv6): (Vec<_>, Vec<_>) =
        attempts.into_iter().partition(|attempt| attempt.tool.family == IpFamily::V4);
    let one_by_one = |half: Vec<Attempt>| -> Vec<(Attempt, Trial)> {
        let with_trial = |attempt| {
            let trial = trial(&place, &attempt);
            (attempt, trial)
        };
        half.into_iter().map(with_trial).collect()
    };
    std::thread::scope(|scope| {
        let ipv6 = scope.spawn(|| one_by_one(ipv6));
        let mut done = one_by_one(ipv4);
        done.extend(ipv6.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done
    })
}

/// Where programs can be tried; the reason where nowhere.
fn place(tool: &Tool) -> Result<Apart, String> {
    let starts = |apart| process::run_apart(apart, &tool.restore, &["--version"], &[], "", process::READING);
    match starts(Apart::Network) {
        Err(ProcessError::Start { .. }) => match starts(Apart::NetworkAndUser) {
            Err(ProcessError::Start { error, .. }) => {
                Err(format!("no namespaces can be made here to try it in: {error}"))
            }
            _ => Ok(Apart::NetworkAndUser),
        },
        _ => Ok(Apart::Network),
    }
}

fn trial(place: &Result<Apart, String>, attempt: &Attempt) -> Trial {
    match place {
        _ if let Some(why) = &attempt.spared => Trial::NotTried(why.clone()),
        Err(why) => Trial::NotTried(why.clone()),
        Ok(Apart::NetworkAndUser) if attempt.names_others => {
            Trial::NotTried("the namespace of an ordinary user knows no user but that one".to_owned())
        }
        Ok(apart) => load(*apart, &attempt.tool, &attempt.text),
    }
}

/// What programs and kernel refuse of `needs`, each with their words; nothing where it cannot be tried, or not in time.
/// One try where nothing is missing.
#[must_use]
pub fn lacking(tool: &Tool, needs: Vec<Need>, until: Instant) -> Vec<(Need, String)> {
    if refused(tool, &feature::together(&needs), until).is_none() {
        return Vec::new();
    }
    let words = |need: Need| refused(tool, &need.feature.text(), until).map(|words| (need, words));
    needs.into_iter().filter_map(words).collect()
}

/// Why `tool` can load nothing here, in its words; `None` where it can, or where it cannot be tried.
#[must_use]
pub fn useless(tool: &Tool) -> Option<String> {
    refused(tool, &feature::BASE.text(), Instant::now() + process::READING)
}

fn refused(tool: &Tool, text: &str, until: Instant) -> Option<String> {
    let left = || until.saturating_duration_since(Instant::now()).min(process::READING);
    let loaded =
        [Apart::Network, Apart::NetworkAndUser].into_iter().map(|apart| run(apart, tool, text, left()));
    // Where no namespace can be made, nothing is known.
    let mut tried = loaded.filter(|loaded| !matches!(loaded, Err(ProcessError::Start { .. })));
    match tried.next() {
        Some(Err(ProcessError::Hangs { .. })) | None => None,
        Some(loaded) => match trial_of(loaded) {
            Trial::Refused(words) => Some(words),
            Trial::Loaded | Trial::NotTried(_) => None,
        },
    }
}

fn load(apart: Apart, tool: &Tool, text: &str) -> Trial {
    trial_of(run(apart, tool, text, process::READING))
}

fn run(apart: Apart, tool: &Tool, text: &str, within: Duration) -> Result<Output, ProcessError> {
    process::run_apart(apart, &tool.restore, &["--noflush"], &[OWN_LOCK], text, within)
}

fn trial_of(loaded: Result<Output, ProcessError>) -> Trial {
    match loaded {
        Ok(_) => Trial::Loaded,
        Err(ProcessError::Failed { status, stderr, .. }) if stderr.is_empty() => {
            Trial::Refused(format!("it ended with {status} and said nothing"))
        }
        Err(ProcessError::Failed { stderr, .. }) => Trial::Refused(stderr),
        Err(error @ (ProcessError::Start { .. } | ProcessError::Hangs { .. })) => {
            Trial::Refused(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use netsim::node::{Node, NodeSpec};

    use super::*;
    use crate::iptables::Flavour;

    /// What came of loading `text` with the program `restore`, tried from a node; `None` where no node can be made.
    fn loaded(restore: &'static str, text: &'static str) -> Option<Trial> {
        netsim::require::nodes().met_or_skip().then(|| {
            let node = Node::start(NodeSpec::new("probe")).unwrap();
            node.run(move || async move {
                let restore = PathBuf::from(restore);
                let tool =
                    Tool { flavour: Flavour::Nft, family: IpFamily::V4, save: restore.clone(), restore };
                load(Apart::Network, &tool, text)
            })
            .unwrap()
        })
    }

    #[test]
    fn a_match_that_does_not_exist_is_refused_by_name() {
        let text = "*nat\n-A OUTPUT -m nosuchmatch -j RETURN\nCOMMIT\n";
        let Some(trial) = loaded("/usr/sbin/iptables-nft-restore", text) else { return };
        assert!(matches!(&trial, Trial::Refused(words) if words.contains("nosuchmatch")), "{trial:?}");
    }

    #[test]
    fn a_program_that_fails_without_a_word_is_told_by_its_status() {
        let Some(trial) = loaded("/bin/false", "*nat\nCOMMIT\n") else { return };
        assert_eq!(trial, Trial::Refused("it ended with exit status: 1 and said nothing".to_owned()));
    }

    #[test]
    fn a_program_that_cannot_be_started_is_refused_and_named() {
        let Some(trial) = loaded("/none", "*nat\nCOMMIT\n") else { return };
        assert!(matches!(&trial, Trial::Refused(why) if why.contains("cannot start /none")), "{trial:?}");
    }

    #[test]
    fn rules_that_program_and_kernel_know_are_loaded() {
        let text = "*nat\n-A OUTPUT -p tcp -j RETURN\nCOMMIT\n";
        let Some(trial) = loaded("/usr/sbin/iptables-nft-restore", text) else { return };
        assert_eq!(trial, Trial::Loaded);
    }
}
