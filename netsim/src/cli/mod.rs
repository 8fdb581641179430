//! The command line of netsim: one file per verb. Exit codes: 0 all passed; 1 something failed, or a required test was
//! skipped; 2 bad file, usage or environment.

mod bench;
mod check;
mod demo;
mod equivalent;
mod exec;
mod fuzz;
mod list;
mod mutants;
mod run;
mod schema;
mod selection;
mod shell;
mod watch;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Parser, Subcommand};

/// Proves transparent proxying with packets: namespaces, fake apps and sidecars, scenario files, verdicts.
#[derive(Debug, Parser)]
#[command(name = "netsim", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run scenarios with real traffic; needs root
    Run(run::Run),
    /// Look for mistakes in scenario files; needs no root
    Check(check::Check),
    /// Show the variants that would run; needs no root
    List(list::List),
    /// Print the JSON schema of scenario files, from which editors complete; needs no root
    Schema(schema::Schema),
    /// Measure what a redirection costs a connection; needs root
    Bench(bench::Bench),
    /// Show what tproxy is for, in a throw-away pod; needs root
    Demo(demo::Demo),
    /// Take tproxy's rules away one at a time and list those that no scenario misses; needs root
    Mutants(mutants::Mutants),
    /// Install random options, send random flows, and compare what happens with what tproxy says; needs root
    Fuzz(fuzz::Fuzz),
    /// Enter a node of a run that is kept; needs root
    Shell(shell::Shell),
    /// Run a command in a throw-away node of its own; needs root
    Exec(exec::Exec),
}

/// How a verb ended.
enum End {
    Passed,
    Failed,
    /// The exit code of the command that was run.
    Code(u8),
    /// Nothing could be run, for this reason.
    Refused(String),
}

/// What went wrong with standard output, first.
static UNSAID: OnceLock<std::io::Error> = OnceLock::new();

/// Prints to standard output. When nobody reads it any more, the work and its exit code still count; what else goes wrong
/// with it is told at the end.
fn say(text: &str) {
    let mut output = std::io::stdout();
    if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = UNSAID.set(error);
    }
}

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    if let Err(reason) = crate::patience::asked() {
        eprintln!("error: {reason}");
        return ExitCode::from(2);
    }
    let end = match Cli::try_parse() {
        Ok(cli) => match cli.verb {
            Verb::Run(run) => run.run(),
            Verb::Check(check) => check.run(),
            Verb::List(list) => list.run(),
            Verb::Schema(schema) => schema.run(),
            Verb::Bench(bench) => bench.run(),
            Verb::Demo(demo) => demo.run(),
            Verb::Mutants(mutants) => mutants.run(),
            Verb::Fuzz(fuzz) => fuzz.run(),
            Verb::Shell(shell) => shell.run(),
            Verb::Exec(exec) => exec.run(),
        },
        Err(error) => {
            // With the stream gone there is nobody left to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Err(error) = crate::node::shutdown() {
        eprintln!("netsim: {error}");
    }
    if let Some(error) = UNSAID.get() {
        eprintln!("error: cannot write to standard output: {error}");
        return ExitCode::from(2);
    }
    match end {
        End::Passed => ExitCode::SUCCESS,
        End::Failed => ExitCode::from(1),
        End::Code(code) => ExitCode::from(code),
        End::Refused(reason) => {
            eprintln!("error: {reason}");
            ExitCode::from(2)
        }
    }
}
