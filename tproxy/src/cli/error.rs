//! Everything that can stop a verb, the exit code that it means, and how it is told.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;

use super::misuse::Misuse;
use super::said::{Said, said};
use super::{Manner, Surroundings, told};
use crate::apply::ApplyError;
use crate::apply::guardian::GuardianError;
use crate::apply::journal::JournalError;
use crate::apply::lock::LockError;
use crate::backend::iptables::Lacking;
use crate::config::Problems;
use crate::diagnostic::{Colours, in_words, visible};
use crate::ebpf;
use crate::ebpf::kernel::EbpfError;
use crate::firewalld::DirectError;
use crate::host::HostError;
use crate::host::firewalld::DirectReadError;
use crate::host::iptables::ToolError;
use crate::host::netns::Forbidden;
use crate::iptables::render::Unsupported;
use crate::plan::PlanError;

/// Done.
pub(super) const DONE: u8 = 0;
/// Failed while reading or changing the system; rolled back.
pub(super) const FAILED: u8 = 1;
/// Refused before anything changed.
pub(super) const REFUSED: u8 = 2;
/// `status`: nothing is installed.
pub(super) const NOT_INSTALLED: u8 = 3;
/// `status`: something is installed, and not as one whole.
pub(super) const DAMAGED: u8 = 4;

/// What stopped a verb.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// No failure: what is printed instead of running, by --help and --version.
    #[error(transparent)]
    Help(clap::Error),
    #[error("the command line is not understood")]
    Misuse(Box<Misuse>),
    #[error(transparent)]
    Configuration(#[from] Problems),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("{0}")]
    Lacking(Box<Lacking>),
    #[error("{error}; {lacking}")]
    Blocked { error: ApplyError, lacking: Box<Lacking> },
    #[error(transparent)]
    Ebpf(#[from] EbpfError),
    #[error(transparent)]
    NotByEbpf(#[from] ebpf::Unsupported),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("{0} needs root: run tproxy as root{1}")]
    NotRoot(&'static str, &'static str),
    #[error(transparent)]
    Tools(#[from] ToolError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("other programs keep changing these rules while tproxy does; run it again when they are done")]
    Restless,
    #[error(transparent)]
    DirectRead(#[from] DirectReadError),
    #[error(transparent)]
    Direct(#[from] DirectError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(
        "what is installed waits to be confirmed, for {} s more: run `tproxy confirm` or `tproxy uninstall` first",
        .0.as_secs() + 1
    )]
    Unconfirmed(Duration),
    #[error("{0}; it is needed to return the state before: leave --confirm-within out")]
    Unrecorded(JournalError),
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    #[error(
        "nothing waits to be confirmed: it never had to be, it was confirmed already, or it was too late and the state \
         before is back; see `tproxy status`"
    )]
    NothingToConfirm,
    #[error("too late to confirm: the time was over, and the state before is back")]
    TooLate,
    #[error("there is no whole installation to confirm: it was ended half-way; install or uninstall again")]
    HalfInstalled,
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot read the time since the boot: {0}")]
    Clock(#[from] nix::errno::Errno),
    #[error("{0}")]
    Validation(String),
    #[error("cannot put signals off while the system is changed: {0}")]
    Signals(nix::errno::Errno),
    #[error("cannot write {path}: {error}; --output-dir is a directory that exists and may be written to", path = .path.display())]
    Page { path: PathBuf, error: std::io::Error },
    #[error("cannot print: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Help(_) => DONE,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => DONE,
            Self::Misuse(_)
            | Self::Configuration(_)
            | Self::Plan(_)
            | Self::Unsupported(_)
            | Self::Lacking(_)
            | Self::NotByEbpf(_)
            | Self::Refused(_)
            | Self::Ebpf(
                EbpfError::WithoutPrograms
                | EbpfError::NoCookie(_)
                | EbpfError::NoCgroup { .. }
                | EbpfError::NotCgroup { .. }
                | EbpfError::InterfacesUntold { .. }
                | EbpfError::Object { .. },
            )
            | Self::Host(HostError::ResolvConf { .. })
            | Self::DirectRead(_)
            | Self::Direct(_)
            | Self::Unconfirmed(_)
            | Self::Unrecorded(_)
            | Self::Guardian(_)
            | Self::Forbidden(_)
            | Self::NotRoot(..) => REFUSED,
            Self::Tools(
                ToolError::NotFound(_)
                | ToolError::Unusable { .. }
                | ToolError::NotExecutable(_)
                | ToolError::Blind { .. }
                | ToolError::NotIptables { .. }
                | ToolError::MixedFlavours { .. },
            ) => REFUSED,
            Self::Tools(_)
            | Self::Ebpf(_)
            | Self::Host(_)
            | Self::Lock(_)
            | Self::Apply(_)
            | Self::Blocked { .. }
            | Self::Restless
            | Self::NothingToConfirm
            | Self::TooLate
            | Self::HalfInstalled
            | Self::Journal(_)
            | Self::Clock(_)
            | Self::Validation(_)
            | Self::Signals(_)
            | Self::Page { .. }
            | Self::Output(_) => FAILED,
        }
    }
}

/// Tells what stopped a verb, and returns the exit code.
pub(super) fn report(error: CliError, surroundings: &mut Surroundings<'_>) -> u8 {
    let error = match error {
        CliError::Help(help) => {
            match surroundings.out.write_all(said(&help, surroundings.colours.out).as_bytes()) {
                Ok(()) => return DONE,
                Err(error) => CliError::Output(error),
            }
        }
        error => error,
    };
    let code = match error.exit_code() {
        REFUSED if surroundings.manner == Manner::Kumactl => FAILED,
        code => code,
    };
    warn_beside(&error, surroundings);
    // With nobody left to read it, the exit code still tells.
    let _ = match error {
        _ if code == DONE => Ok(()),
        error if surroundings.output.json => {
            let told = told::of_error(&error);
            told.iter().try_for_each(|told| writeln!(surroundings.err, "{}", told.line()))
        }
        error => tell(&error, surroundings),
    };
    code
}

/// What the user should know of a configuration, though it is wrong.
fn warn_beside(error: &CliError, surroundings: &mut Surroundings<'_>) {
    let warnings = match error {
        CliError::Configuration(problems) => problems.warnings(),
        CliError::Misuse(misuse) => &misuse.warnings,
        _ => &[],
    };
    for warning in warnings {
        surroundings.warn(warning);
    }
}

/// Tells what stopped a verb to people.
fn tell(error: &CliError, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
    let colours = surroundings.colours.err;
    let word = if surroundings.manner == Manner::Kumactl { "Error:" } else { "error:" };
    let label = match colours {
        Colours::Always => format!("\x1b[1;31m{word}\x1b[0m "),
        Colours::Never => format!("{word} "),
    };
    match error {
        CliError::Misuse(misuse) => tell_misuse(misuse, &label, colours, surroundings.err),
        CliError::Configuration(problems) => tell_problems(problems, &label, colours, surroundings.err),
        error => writeln!(surroundings.err, "{label}{}", visible(&in_words(&error.to_string()))),
    }
}

fn tell_problems(problems: &Problems, label: &str, colours: Colours, err: &mut dyn Write) -> io::Result<()> {
    problems.render(colours).iter().try_for_each(|problem| writeln!(err, "{label}{problem}"))
}

/// All that is wrong, and where to read how it is right: for a single error as exactly as the parser knows it.
fn tell_misuse(misuse: &Misuse, label: &str, colours: Colours, err: &mut dyn Write) -> io::Result<()> {
    let mut advice = String::new();
    for error in misuse.errors.iter() {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return write!(err, "{}", said(error, colours));
        }
        let Said { message, advice: behind } = Said::of(error, colours);
        writeln!(err, "{label}{message}")?;
        advice = match misuse.errors.count() {
            1 => behind.join("\n\n"),
            _ => behind.last().cloned().unwrap_or_default(),
        };
    }
    for more in misuse.more() {
        writeln!(err, "{label}{more}")?;
    }
    if let Some(problems) = &misuse.configuration {
        tell_problems(problems, label, colours, err)?;
    }
    if advice.is_empty() { Ok(()) } else { writeln!(err, "\n{advice}") }
}
