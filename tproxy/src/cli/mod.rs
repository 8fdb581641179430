//! The command line: one file per verb, and the one place that decides exit codes.
//!
//! Must never hold a rule of the policy or of a backend: verbs join the stages and print.

mod arguments;
mod error;
mod explain;
mod install;
mod sources;
mod uninstall;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::CliError;

/// Makes a host's or a pod's TCP traffic go through a sidecar proxy, and undoes it exactly.
#[derive(Debug, Parser)]
#[command(name = "tproxy", version, max_term_width = 100, args_override_self = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed while reading or changing the system, everything was taken back; \
2 refused before anything changed";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Redirect the traffic of this network namespace to the sidecar
    Install(install::Install),
    /// Remove what an earlier installation left, and nothing else
    Uninstall(uninstall::Uninstall),
    /// Say what would happen to a flow, and which line of the policy decides it
    Explain(explain::Explain),
}

/// What a verb may use of the world around it.
struct Surroundings<'a> {
    variables: BTreeMap<String, String>,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl Surroundings<'_> {
    /// Progress of work that changes the system. Who reads it, if anybody, does not decide whether the work is done.
    fn tell(&mut self, text: impl std::fmt::Display) {
        let _ = writeln!(self.out, "{text}");
    }

    /// Something that the user should know, though the work goes on.
    fn warn(&mut self, text: impl std::fmt::Display) {
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(self.err, "# [WARNING] {text}");
    }
}

/// Runs the command with the process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    // A variable that is not UTF-8 cannot be one of ours with a valid value; its text is shown as well as can be.
    let variables = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let code = run(std::env::args_os(), variables, &mut std::io::stdout(), &mut std::io::stderr());
    ExitCode::from(code)
}

/// Runs the command line `arguments`, the first of which is the program's name, and returns the exit code.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    variables: BTreeMap<String, String>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let stream: &mut dyn Write = if error.use_stderr() { err } else { out };
            let written = write!(stream, "{error}");
            return if error.use_stderr() || written.is_err() { error::REFUSED } else { error::DONE };
        }
    };
    let mut surroundings = Surroundings { variables, out, err };
    let result = match cli.verb {
        Verb::Install(install) => install.run(&mut surroundings),
        Verb::Uninstall(uninstall) => uninstall.run(&mut surroundings),
        Verb::Explain(explain) => explain.run(&mut surroundings),
    };
    match result {
        Ok(()) => error::DONE,
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => error::DONE,
        Err(error) => {
            let _ = writeln!(surroundings.err, "error: {error}");
            error.exit_code()
        }
    }
}
