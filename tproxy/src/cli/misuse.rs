//! Reads a command line, and says all that is wrong with one that cannot be read.
//!
//! The parser stops at the first thing that it does not understand. That is taken out and the rest is read again, until
//! it is understood; then the configuration is looked at, too. Must never run anything of such a command line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{FromArgMatches, Parser};

use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::tip::{self, Unreadable};
use super::validate::Contract;
use super::{Surroundings, sources};
use crate::config::Problems;
use crate::config::first_few::FirstFew;
use crate::diagnostic::visible;

/// So many arguments are read again at most, all readings together: each that is wrong costs another reading of the
/// whole. A command line that people write is read to its end.
const READ_AGAIN: usize = 200_000;

/// All that is known to be wrong.
#[derive(Debug, Default)]
pub(super) struct Misuse {
    /// What the parser says, in the order of the command line; at least one.
    pub(super) errors: FirstFew<clap::Error>,
    /// Whether the command line was not read to its end, nor the configuration looked at.
    pub(super) is_cut: bool,
    /// What is wrong with the configuration that the rest means.
    pub(super) configuration: Option<Problems>,
    /// What the user should know of that configuration besides.
    pub(super) warnings: Vec<String>,
}

impl From<clap::Error> for Misuse {
    fn from(error: clap::Error) -> Self {
        let mut misuse = Self::default();
        misuse.errors.push(error);
        misuse
    }
}

/// The command line as `T` has it.
pub(super) fn parse<T: Parser>(
    arguments: Vec<OsString>,
    surroundings: &Surroundings<'_>,
) -> Result<T, CliError> {
    read::<T>(&arguments).map_err(|error| {
        if error.use_stderr() {
            CliError::Misuse(Box::new(Misuse::of::<T>(error, arguments, surroundings)))
        } else {
            CliError::Help(error)
        }
    })
}

/// Reads the command line. The list of all verbs, which has those that nobody is to run, is left out of an error: help has
/// the others.
fn read<T: Parser>(arguments: &[OsString]) -> Result<T, clap::Error> {
    T::try_parse_from(arguments).map_err(|mut error| {
        error.remove(ContextKind::ValidSubcommand);
        tip::improved::<T>(error, arguments)
    })
}

impl Misuse {
    fn of<T: Parser>(
        first: clap::Error,
        mut arguments: Vec<OsString>,
        surroundings: &Surroundings<'_>,
    ) -> Self {
        let mut misuse = Self::default();
        let mut taken = Vec::new();
        let mut budget = READ_AGAIN;
        let mut next = Some(first);
        while let Some(error) = next {
            let is_last = ends_the_reading(&error);
            let is_own = taken.is_empty() || is_of_its_own(&error, &taken);
            let fault = Fault::of(&error, &arguments).filter(|_| is_own);
            if is_own {
                misuse.errors.push(error);
            }
            if is_last {
                break;
            }
            let Some(fault) = fault else { return misuse };
            let Some(rest) = budget.checked_sub(arguments.len()) else {
                misuse.is_cut = true;
                return misuse;
            };
            budget = rest;
            fault.take_out(&mut arguments);
            next = read::<T>(&arguments).err();
            if next.as_ref().is_some_and(|next| fault.has_value(next, &arguments)) {
                arguments.remove(fault.at);
                next = read::<T>(&arguments).err();
            }
            taken.push(fault.option);
        }
        misuse.look_at_configuration::<T>(&arguments, surroundings);
        misuse
    }

    /// What is to be said behind the errors that are named.
    pub(super) fn more(&self) -> Vec<String> {
        let more = self.errors.count() - self.errors.iter().count();
        let counted = (more > 0).then(|| format!("and {more} more like these"));
        let cut = self.is_cut.then(|| "more is wrong behind these; correct them first".to_owned());
        counted.into_iter().chain(cut).collect()
    }

    /// The option that an error is about, as it is typed.
    pub(super) fn option_of(error: &clap::Error) -> Option<String> {
        match error.get(ContextKind::InvalidArg)? {
            ContextValue::String(shown) if shown.starts_with('-') => Some(visible(name(shown)).into_owned()),
            _ => None,
        }
    }

    /// For verbs that have a configuration. What is not understood is no part of it.
    fn look_at_configuration<T: Parser>(&mut self, arguments: &[OsString], surroundings: &Surroundings<'_>) {
        let mut command = T::command().ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from_mut(arguments) else { return };
        let (mut command, mut matches) = (&command, &matches);
        while let Some((name, verb)) = matches.subcommand() {
            let Some(below) = command.find_subcommand(name) else { return };
            (command, matches) = (below, verb);
        }
        // The matches themselves know which flags a verb has only in builds for debugging.
        let has = |flag: &str| command.get_arguments().any(|argument| argument.get_id() == flag);
        let flags = if has("config") {
            ConfigurationFlags::from_arg_matches(matches).ok()
        } else if has("transparent_proxy_config") {
            Contract::from_arg_matches(matches).ok().map(|contract| contract.flags())
        } else {
            None
        };
        match flags.map(|flags| sources::layers(&flags, surroundings).resolve()) {
            None => {}
            Some(Ok(resolved)) => self.warnings = resolved.warnings,
            Some(Err(problems)) => {
                self.warnings = problems.warnings().to_vec();
                self.configuration = Some(problems);
            }
        }
    }
}

/// An argument that the parser does not understand.
struct Fault {
    /// Where it stands.
    at: usize,
    /// So many arguments are to be taken out.
    length: usize,
    /// The option that it is, or that its value is for.
    option: String,
    /// Whether it may have had a value that the parser takes for another argument.
    is_unknown: bool,
}

impl Fault {
    /// Nothing where the error is not about one argument that can be found.
    fn of(error: &clap::Error, arguments: &[OsString]) -> Option<Self> {
        if error.kind() == ErrorKind::InvalidUtf8 {
            let Unreadable { at, length, option } = Unreadable::of(arguments)?;
            return Some(Self { at, length, option, is_unknown: false });
        }
        let ContextValue::String(shown) = error.get(ContextKind::InvalidArg)? else { return None };
        let option = name(shown).to_owned();
        let texts = arguments.iter().map(|argument| argument.to_string_lossy());
        let mut texts = texts.enumerate().skip(1).peekable();
        match error.kind() {
            ErrorKind::UnknownArgument => {
                let is_it = |text: &str| {
                    let value = text.strip_prefix(shown.as_str());
                    value.is_some_and(|value| {
                        value.is_empty() || value.starts_with('=') && text.starts_with('-')
                    })
                };
                let at = texts.find(|(_, text)| is_it(text))?.0;
                Some(Self { at, length: 1, option, is_unknown: shown.starts_with('-') })
            }
            ErrorKind::InvalidValue | ErrorKind::ValueValidation if shown.starts_with('-') => {
                let ContextValue::String(value) = error.get(ContextKind::InvalidValue)? else { return None };
                while let Some((at, text)) = texts.next() {
                    let next = texts.peek().map(|(_, next)| next.as_ref());
                    let length = match text.strip_prefix(&option) {
                        Some("") if next == Some(value) => 2,
                        Some("") if value.is_empty() && next.is_none() => 1,
                        Some(rest) if rest.strip_prefix('=') == Some(value) => 1,
                        _ => continue,
                    };
                    return Some(Self { at, length, option, is_unknown: false });
                }
                None
            }
            _ => None,
        }
    }

    fn take_out(&self, arguments: &mut Vec<OsString>) {
        arguments.drain(self.at..self.at + self.length);
    }

    /// Whether what is in its place now is what `next` does not understand: most likely its value.
    fn has_value(&self, next: &clap::Error, arguments: &[OsString]) -> bool {
        let word = match next.kind() {
            ErrorKind::UnknownArgument => next.get(ContextKind::InvalidArg),
            ErrorKind::InvalidSubcommand => next.get(ContextKind::InvalidSubcommand),
            _ => None,
        };
        let here = arguments.get(self.at).map(|argument| argument.to_string_lossy());
        match (word, here) {
            (Some(ContextValue::String(word)), Some(here)) => {
                self.is_unknown && *word == here && !word.starts_with('-')
            }
            _ => false,
        }
    }
}

/// An option's name as it is typed, of `--wait <SECONDS>` or `--dry-run[=<BOOL>]`.
fn name(shown: &str) -> &str {
    shown.split([' ', '[', '=']).next().unwrap_or_default()
}

/// Whether an error has nothing to do with what was taken out.
fn is_of_its_own(error: &clap::Error, taken: &[String]) -> bool {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
            !missing.iter().any(|shown| taken.iter().any(|taken| taken == name(shown)))
        }
        (kind, _) => matches!(
            kind,
            ErrorKind::UnknownArgument
                | ErrorKind::InvalidUtf8
                | ErrorKind::InvalidValue
                | ErrorKind::ValueValidation
                | ErrorKind::InvalidSubcommand
                | ErrorKind::ArgumentConflict
        ),
    }
}

/// Whether an error is found when all arguments are read.
fn ends_the_reading(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict)
}
