//! The command line: one file per verb, and the one place that decides exit codes.
//!
//! Must never hold a rule of the policy or of a backend: verbs join the stages and print.

mod arguments;
mod check;
mod config;
mod course;
mod error;
mod explain;
mod generate;
mod install;
mod kumactl;
mod limits;
mod removed;
mod sources;
mod status;
mod table;
mod uninstall;
mod validate;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::apply::interruption::Interruptions;
use crate::diagnostic::{Colours, visible};
use error::CliError;

/// Makes a host's or a pod's TCP traffic and DNS queries go through a sidecar proxy, and undoes it exactly.
#[derive(Debug, Parser)]
#[command(name = "tproxy", version, max_term_width = 100, args_override_self = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    output: Output,
}

const AFTER_HELP: &str = "\
Example:
  tproxy install --kuma-dp-user kuma-dp --exclude-inbound-ports 22

Exit codes:
  0  done; status: installed and intact; check: all that is needed works
  1  failed while reading or changing the system, everything was taken back; check: something is missing
  2  refused before anything changed: usage, configuration, privileges, a missing feature
  3  status: not installed
  4  status: damaged";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Redirect the traffic of this network namespace to the sidecar
    Install(Box<install::Install>),
    /// Remove what an earlier installation left, and nothing else
    Uninstall(uninstall::Uninstall),
    /// Say what would happen to a flow, which line of the policy decides it, and which option is behind that
    Explain(Box<explain::Explain>),
    /// Say whether anything is installed here, by what, and with which configuration
    Status(status::Status),
    /// Say whether this host has all that the configuration needs, how that is known, and what to do; changes nothing
    Check(Box<check::Check>),
    /// Print the configuration that files, variables and flags mean together
    Config(Box<config::Print>),
    /// Try with connections that arriving traffic reaches the inbound port; run as the sidecar's user, before it starts
    Validate(validate::Validate),
    /// Print a script that completes commands and flags in a shell
    Completions(generate::Completions),
    /// Print the manual page
    Man(generate::Man),
}

/// What every verb prints, and how much of it.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// Print no progress: only what was asked for, warnings and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print JSON, for machines
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

/// What a verb may use of the world around it.
struct Surroundings<'a> {
    variables: BTreeMap<String, String>,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    output: Output,
    manner: Manner,
    colours: Colours,
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
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(self.err, "# [WARNING] {}", visible(&text.to_string()));
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
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
        Ok(writeln!(self.out, "{text}")?)
    }
}

/// Runs the command with the process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    // A variable that is not UTF-8 cannot be one of ours with a valid value; its text is shown as well as can be.
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let plain = variables.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = if err.is_terminal() && !plain { Colours::Always } else { Colours::Never };
    ExitCode::from(run(std::env::args_os(), variables, colours, &mut out, &mut err))
}

/// Runs the command line `arguments`, the first of which is the program's name, and returns the exit code.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    variables: BTreeMap<String, String>,
    colours: Colours,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let manner = manner(arguments.first());
    let mut surroundings =
        Surroundings { variables, out, err, output: Output::default(), manner, colours, signals: None };
    let code = match manner {
        Manner::Tproxy => match Cli::try_parse_from(arguments) {
            Ok(cli) => {
                surroundings.output = cli.output;
                cli.verb.run(&mut surroundings)
            }
            Err(error) => Err(CliError::Usage(error)),
        },
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
            Self::Explain(explain) => explain.run(surroundings),
            Self::Status(status) => return status.run(surroundings),
            Self::Check(check) => return check.run(surroundings),
            Self::Config(print) => print.run(surroundings),
            Self::Validate(validate) => validate.run(surroundings),
            Self::Completions(completions) => completions.run(surroundings, &mut Cli::command()),
            Self::Man(man) => man.run(surroundings, Cli::command()),
        };
        done.map(|()| error::DONE)
    }
}
