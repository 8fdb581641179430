//! What the parser of command lines leaves out of an error, and what it says too much.
//!
//! Must never make an error of what is none.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::removed::REMOVED;
use crate::config::settings;
use crate::diagnostic::{shortened, suggest};

/// An argument that is no text, and the option that it is for.
pub(super) struct Unreadable {
    /// Where what is wrong begins.
    pub(super) at: usize,
    /// So many arguments it is.
    pub(super) length: usize,
    /// The option, as it is typed; the argument itself where it is for none.
    pub(super) option: String,
}

impl Unreadable {
    /// The first.
    pub(super) fn of(arguments: &[OsString]) -> Option<Self> {
        let at = arguments.iter().position(|argument| argument.to_str().is_none())?;
        let text = arguments.get(at)?.to_string_lossy();
        if text.starts_with('-') {
            let option = text.split('=').next().unwrap_or_default().to_owned();
            return Some(Self { at, length: 1, option });
        }
        let before = arguments.get(at.checked_sub(1)?).and_then(|before| OsStr::to_str(before));
        Some(match before.filter(|before| before.starts_with("--") && !before.contains('=')) {
            Some(option) => Self { at: at - 1, length: 2, option: option.to_owned() },
            None => Self { at, length: 1, option: text.into_owned() },
        })
    }
}

/// The same error with the name of what it is about, and with no tip that leads astray.
pub(super) fn improved<T: CommandFactory>(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    match error.kind() {
        ErrorKind::InvalidUtf8 => unreadable::<T>(error, arguments),
        ErrorKind::UnknownArgument => {
            // No verb takes arguments that begin with a dash.
            error.remove(ContextKind::Suggested);
            let typed = text(&error, ContextKind::InvalidArg);
            let tip = text(&error, ContextKind::SuggestedArg);
            if !typed.zip(tip).is_some_and(|(typed, tip)| is_near(&typed, &tip)) {
                error.remove(ContextKind::SuggestedArg);
            }
            error
        }
        ErrorKind::InvalidSubcommand => {
            let typed = text(&error, ContextKind::InvalidSubcommand).unwrap_or_default();
            if let Some(ContextValue::Strings(mut tips)) = error.remove(ContextKind::SuggestedSubcommand) {
                tips.retain(|tip| suggest(&typed, [tip.as_str()]).is_some());
                if !tips.is_empty() {
                    error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(tips));
                }
            }
            error
        }
        _ => error,
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a flag was probably meant, and is one to use: word for word it is spelt almost the same, or a word is missing
/// that no other flag has in its place.
fn is_near(typed: &str, flag: &str) -> bool {
    let (typed, flag) = (typed.trim_start_matches('-'), flag.trim_start_matches('-'));
    let is_old = flag == "config-file"
        || REMOVED.iter().any(|(removed, _)| *removed == flag)
        || settings::all().any(|setting| setting.deprecated_flag == Some(flag));
    let is_spelt_so = typed.split('-').count() == flag.split('-').count()
        && typed.split('-').zip(flag.split('-')).all(|(word, known)| suggest(word, [known]).is_some());
    let others = || settings::all().filter_map(|setting| setting.flag).filter(|other| *other != flag);
    let is_the_only_one = || has_words(flag, typed) && !others().any(|other| has_words(other, typed));
    !is_old && (is_spelt_so || typed.replace('-', "") == flag.replace('-', "") || is_the_only_one())
}

/// Whether a flag has all words of `typed`, in their order.
fn has_words(flag: &str, typed: &str) -> bool {
    let mut words = flag.split('-');
    typed.split('-').all(|word| words.any(|known| known == word))
}

fn unreadable<T: CommandFactory>(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let Some(Unreadable { option, length, at }) = Unreadable::of(arguments) else { return error };
    let shown = shortened(&option);
    let has_value =
        length > 1 || arguments.get(at).is_some_and(|argument| argument.to_string_lossy() != option.as_str());
    let message = match has_value {
        true => format!("the value of '{shown}' is not UTF-8 text; give it as plain text"),
        false => format!("argument '{shown}' is not UTF-8 text"),
    };
    let mut error = T::command().error(ErrorKind::InvalidUtf8, message);
    error.insert(ContextKind::InvalidArg, ContextValue::String(option));
    error
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("--exclude-inbound-port", "--exclude-inbound-ports", true)]
    #[case("--kuma-user", "--kuma-dp-user", true)]
    #[case("--dryrun", "--dry-run", true)]
    #[case("--wiat", "--wait", true)]
    #[case::of_many("--ebpf", "--ebpf-enabled", false)]
    #[case::of_another_direction("--redirect-port", "--redirect-dns-port", false)]
    #[case::of_something_else("--include-outbound-uid", "--include-outbound-ports", false)]
    #[case::of_something_else("--ips", "--iptables-logs", false)]
    #[case::of_little("--a", "--wait", false)]
    #[case::of_an_old_name("--config-fil", "--config-file", false)]
    fn a_tip_is_given_where_a_flag_is_near(#[case] typed: &str, #[case] flag: &str, #[case] near: bool) {
        assert_eq!(is_near(typed, flag), near);
    }
}
