//! Tries rules with the host's own programs and kernel, in namespaces that end with each try.
//!
//! Must never change the caller's network, nor touch its xtables lock. (The kernel may load modules of its own accord,
//! as it would for an installation.)

use crate::check::{Attempt, Trial};
use crate::iptables::Tool;
use crate::process::{self, Apart, ProcessError};

/// iptables over `x_tables` locks a file before it loads. Its standard input is a file that nobody else has.
const OWN_LOCK: (&str, &str) = ("XTABLES_LOCKFILE", "/proc/self/fd/0");

/// Tries all of them, one family beside the other.
pub(super) fn all(attempts: Vec<Attempt>, tools: &[Tool]) -> Vec<(Attempt, Trial)> {
    let Some(place) = tools.first().map(place) else { return Vec::new() };
    std::thread::scope(|scope| {
        let place = &place;
        let halves: Vec<_> = halves(attempts, tools)
            .into_iter()
            .map(|half| {
                let each = move |attempt| {
                    let trial = trial(place, &attempt);
                    (attempt, trial)
                };
                scope.spawn(move || half.into_iter().map(each).collect::<Vec<_>>())
            })
            .collect();
        let done = halves
            .into_iter()
            .flat_map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done.collect()
    })
}

fn halves(attempts: Vec<Attempt>, tools: &[Tool]) -> Vec<Vec<Attempt>> {
    let of = |tool: &Tool| attempts.iter().filter(|attempt| attempt.tool == *tool).cloned().collect();
    tools.iter().map(of).collect()
}

/// Where programs can be tried; the reason where nowhere.
fn place(tool: &Tool) -> Result<Apart, String> {
    let starts = |apart| process::run_apart(apart, &tool.restore, &["--version"], &[], "");
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
        Err(why) => Trial::NotTried(why.clone()),
        Ok(Apart::NetworkAndUser) if attempt.names_others => {
            Trial::NotTried("the namespace of an ordinary user knows no user but that one".to_owned())
        }
        Ok(apart) => load(*apart, &attempt.tool, &attempt.text),
    }
}

fn load(apart: Apart, tool: &Tool, text: &str) -> Trial {
    match process::run_apart(apart, &tool.restore, &["--noflush"], &[OWN_LOCK], text) {
        Ok(_) => Trial::Loaded,
        Err(ProcessError::Failed { status, stderr, .. }) if stderr.is_empty() => {
            Trial::Refused(format!("it ended with {status} and said nothing"))
        }
        Err(ProcessError::Failed { stderr, .. }) => Trial::Refused(stderr),
        Err(error @ ProcessError::Start { .. }) => Trial::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::family::IpFamily;
    use crate::iptables::Flavour;

    fn tool(restore: &str) -> Tool {
        let restore = PathBuf::from(restore);
        Tool { flavour: Flavour::Nft, family: IpFamily::V4, save: restore.clone(), restore }
    }

    #[test]
    fn the_words_of_a_program_that_fails_are_kept() {
        let Ok(place) = place(&tool("/bin/sh")) else { return };
        // A shell takes `--noflush` for an option that it does not know.
        let Trial::Refused(words) = load(place, &tool("/bin/sh"), "*nat\nCOMMIT\n") else { panic!() };
        assert!(words.contains("noflush") || words.contains("Illegal option"), "{words}");
        assert_eq!(
            load(place, &tool("/bin/false"), "*nat\nCOMMIT\n"),
            Trial::Refused("it ended with exit status: 1 and said nothing".to_owned())
        );
        assert_eq!(load(place, &tool("/bin/true"), "*nat\nCOMMIT\n"), Trial::Loaded);
    }

    #[test]
    fn what_cannot_be_started_is_refused() {
        let Ok(place) = place(&tool("/bin/true")) else { return };
        assert!(
            matches!(load(place, &tool("/none"), ""), Trial::Refused(why) if why.contains("cannot start /none"))
        );
    }

    #[test]
    fn a_match_that_does_not_exist_is_refused_by_name() {
        let Some(tool) = crate::host::iptables::found(Flavour::Nft, IpFamily::V4) else { return };
        let Ok(place) = place(&tool) else { return };
        let trial = load(place, &tool, "*nat\n-A OUTPUT -m nosuchmatch -j RETURN\nCOMMIT\n");
        assert!(matches!(&trial, Trial::Refused(words) if words.contains("nosuchmatch")), "{trial:?}");
    }
}
