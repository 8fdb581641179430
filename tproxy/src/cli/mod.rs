//! The command line: one file per verb, and the one place that decides exit codes.
//!
//! Must never hold a rule of the policy or of a backend: verbs join the stages and print.

mod arguments;
mod back;
mod beside;
mod blame;
mod capture;
mod changes;
mod check;
mod config;
mod confirm;
mod course;
mod error;
mod explain;
mod flow;
mod generate;
mod guard;
mod install;
mod kumactl;
mod limits;
mod misuse;
mod removed;
mod said;
mod sources;
mod status;
mod stored;
mod table;
mod tip;
mod told;
mod traffic;
mod uninstall;
mod validate;
mod variables;

use std::ffi::OsString;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::apply::interruption::Interruptions;
use crate::diagnostic::{Colours, in_words, visible};
use error::CliError;
use told::Told;
use variables::Variables;

/// Makes a host's or a pod's TCP traffic and DNS queries go through a sidecar proxy, and undoes it exactly.
#[derive(Debug, Parser)]
#[command(name = "tproxy", version, max_term_width = 80, args_override_self = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    output: Output,
}

const AFTER_HELP: &str = "\
Example:
  tproxy install --kuma-dp-user kuma-dp --exclude-inbound-ports 22

More of a verb:
  tproxy VERB --help
  tproxy man VERB | man -l -

Exit codes:
  0  done; status: installed and intact; check: all that is needed works
  1  failed while reading or changing the system; check: something is missing
  2  refused before anything changed: usage, configuration, privileges, programs
  3  status: not installed
  4  status: damaged";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Redirect the traffic of this network namespace to the sidecar
    Install(Box<install::Install>),
    /// Remove what an earlier installation left, and nothing else
    Uninstall(uninstall::Uninstall),
    /// Keep what `install --confirm-within` installed
    Confirm(confirm::Confirm),
    /// Return the state before an installation that nobody confirms
    #[command(hide = true)]
    Guard(guard::Guard),
    /// Say what would happen to a flow, which line of the policy decides it, and which option is behind that
    Explain(Box<explain::Explain>),
    /// Say whether anything is installed here, by what, and with which configuration
    Status(status::Status),
    /// Say whether this host has all that the configuration needs, how that is known, and what to do; changes nothing
    Check(Box<check::Check>),
    /// Print the configuration that files, variables and flags mean together
    Config(Box<config::Print>),
    /// Try with connections and queries where they go; run as root or as the sidecar's user, before the sidecar starts
    Validate(validate::Validate),
    /// Print a script that completes commands and flags in a shell
    Completions(generate::Completions),
    /// Print a manual page, or write all of them into a directory
    Man(generate::Man),
}

/// What every verb prints, and how much of it.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// Print no progress: only what was asked for, warnings and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print JSON, for machines; errors and warnings are lines of JSON, too
    #[arg(long, global = true)]
    json: bool,
}

/// By which name the command was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Its own.
    Tproxy,
    /// `kumactl`: what kumactl takes is taken, and every failure exits with 1.
    Kumactl,
}

/// Which stream shows colours: each is a terminal or not by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamColours {
    /// For standard output.
    pub out: Colours,
    /// For standard error.
    pub err: Colours,
}

impl StreamColours {
    /// No colours anywhere.
    pub const NEVER: Self = Self { out: Colours::Never, err: Colours::Never };
}

/// What a verb may use of the world around it.
struct Surroundings<'a> {
    variables: Variables,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    output: Output,
    manner: Manner,
    colours: StreamColours,
    /// Signals that are put off until everything is said.
    signals: Option<Interruptions>,
}

impl Surroundings<'_> {
    /// Progress of work that changes the system. Who reads it, if anybody, does not decide whether the work is done.
    fn tell(&mut self, text: impl std::fmt::Display) {
        if !self.output.quiet && !self.output.json {
            let _ = writeln!(self.out, "{text}");
        }
    }

    /// Something that the user should know, though the work goes on.
    fn warn(&mut self, text: impl std::fmt::Display) {
        let text = text.to_string();
        let text = in_words(&text);
        // With standard error gone there is nobody left to tell.
        let _ = match self.output.json {
            true => writeln!(self.err, "{}", Told::warning(&text).line()),
            false => writeln!(self.err, "# [WARNING] {}", visible(&text)),
        };
    }

    /// Puts signals off from now on, until the command is done and has said so.
    fn put_signals_off(&mut self) -> Result<&Interruptions, CliError> {
        let signals = match self.signals.take() {
            Some(signals) => signals,
            None => Interruptions::put_off().map_err(CliError::Signals)?,
        };
        Ok(self.signals.insert(signals))
    }

    /// Prints what was asked for as JSON.
    fn print_json(&mut self, value: &impl serde::Serialize) -> Result<(), CliError> {
        // Not as one text, which may be as large as all rules.
        let mut out = BufWriter::new(&mut *self.out);
        serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }
}

/// Runs the command with the process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = |terminal: bool| if terminal && !plain { Colours::Always } else { Colours::Never };
    let colours = StreamColours { out: colours(out.is_terminal()), err: colours(err.is_terminal()) };
    ExitCode::from(run(std::env::args_os(), std::env::vars_os(), colours, &mut out, &mut err))
}

/// Runs the command line `arguments`, the first of which is the program's name, and returns the exit code.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    colours: StreamColours,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let manner = manner(arguments.first());
    let variables = variables.into_iter().collect();
    let mut surroundings =
        Surroundings { variables, out, err, output: Output::default(), manner, colours, signals: None };
    let code = match manner {
        Manner::Tproxy => {
            // Of a command line that is not understood, this much is.
            surroundings.output.json = arguments.iter().any(|argument| argument == "--json");
            misuse::parse(arguments, &surroundings).and_then(|cli: Cli| {
                surroundings.output = cli.output;
                cli.verb.run(&mut surroundings)
            })
        }
        Manner::Kumactl => kumactl::run(arguments, &mut surroundings),
    };
    match code {
        Ok(code) => code,
        Err(error) => error::report(error, &mut surroundings),
    }
}

/// A symlink of the name `kumactl` stands in for it.
fn manner(program: Option<&OsString>) -> Manner {
    let name = program.and_then(|program| Path::new(program).file_name());
    if name.is_some_and(|name| name == "kumactl") { Manner::Kumactl } else { Manner::Tproxy }
}

impl Verb {
    fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<u8, CliError> {
        let done = match self {
            Self::Install(install) => install.run(surroundings),
            Self::Uninstall(uninstall) => uninstall.run(surroundings),
            Self::Confirm(confirm) => confirm.run(surroundings),
            Self::Guard(guard) => guard.run(surroundings),
            Self::Explain(explain) => explain.run(surroundings),
            Self::Status(status) => return status.run(surroundings),
            Self::Check(check) => return check.run(surroundings),
            Self::Config(print) => print.run(surroundings),
            Self::Validate(validate) => validate.run(surroundings),
            Self::Completions(completions) => completions.run(surroundings, &Cli::command()),
            Self::Man(man) => man.run(surroundings, Cli::command()),
        };
        done.map(|()| error::DONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(verb: &str) -> Vec<String> {
        let command = Cli::command();
        let verb = command.find_subcommand(verb).unwrap();
        verb.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
    }

    #[test]
    fn what_can_stand_behind_install_can_stand_behind_the_verbs_that_look_ahead_too() {
        for verb in ["check", "explain", "config"] {
            let taken = flags(verb);
            for flag in flags("install") {
                assert!(taken.contains(&flag), "tproxy {verb} does not take --{flag}");
            }
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
