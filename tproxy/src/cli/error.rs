//! Everything that can stop a verb, the exit code that it means, and how it is told.

use std::borrow::Cow;

use super::{Manner, Surroundings};
use crate::apply::ApplyError;
use crate::apply::lock::LockError;
use crate::backend::iptables::Lacking;
use crate::config::Problems;
use crate::diagnostic::{Colours, visible};
use crate::host::HostError;
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
    #[error(transparent)]
    Usage(clap::Error),
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
    #[error("--backend ebpf: this build has no eBPF backend; leave --backend and --ebpf-enabled out")]
    WithoutEbpf,
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("{0} needs root: run tproxy as root{1}")]
    NotRoot(&'static str, &'static str),
    #[error(transparent)]
    Tools(#[from] ToolError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("{0}")]
    Validation(String),
    #[error("cannot put signals off while the system is changed: {0}")]
    Signals(nix::errno::Errno),
    #[error("cannot print: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) if !error.use_stderr() => DONE,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => DONE,
            Self::Usage(_)
            | Self::Configuration(_)
            | Self::Plan(_)
            | Self::Unsupported(_)
            | Self::Lacking(_)
            | Self::WithoutEbpf
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
            | Self::Host(_)
            | Self::Lock(_)
            | Self::Apply(_)
            | Self::Blocked { .. }
            | Self::Validation(_)
            | Self::Signals(_)
            | Self::Output(_) => FAILED,
        }
    }
}

/// Tells what stopped a verb, and returns the exit code.
pub(super) fn report(error: CliError, surroundings: &mut Surroundings<'_>) -> u8 {
    let code = match error.exit_code() {
        REFUSED if surroundings.manner == Manner::Kumactl => FAILED,
        code => code,
    };
    let colours = surroundings.colours;
    let label = match (surroundings.manner, colours) {
        (_, Colours::Always) => "\x1b[1;31merror:\x1b[0m ",
        (Manner::Tproxy, Colours::Never) => "error: ",
        (Manner::Kumactl, Colours::Never) => "Error: ",
    };
    // With nobody left to read it, the exit code still tells.
    let _ = match error {
        CliError::Usage(error) => {
            let text = usage(&error, colours);
            let stream = if error.use_stderr() { &mut surroundings.err } else { &mut surroundings.out };
            write!(stream, "{text}")
        }
        _ if code == DONE => Ok(()),
        CliError::Configuration(problems) => problems
            .render(colours)
            .iter()
            .try_for_each(|problem| writeln!(surroundings.err, "{label}{problem}")),
        error => writeln!(surroundings.err, "{label}{}", visible(&error.to_string())),
    };
    code
}

/// What clap says. It repeats what was typed: with colours only where nothing but colours is in it, and never at length.
fn usage(error: &clap::Error, colours: Colours) -> String {
    /// In characters; the longest line of any help is shorter.
    const LONGEST: usize = 400;
    let text = error.render();
    let coloured = text.ansi().to_string();
    let is_colour = |escape: &str| {
        escape.strip_prefix('[').is_some_and(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
        })
    };
    let without_escapes = coloured.replace('\u{1b}', "");
    let harmless = coloured.split('\u{1b}').skip(1).all(is_colour)
        && matches!(visible(&without_escapes), Cow::Borrowed(_))
        && without_escapes.lines().all(|line| line.chars().count() <= LONGEST);
    if colours == Colours::Always && harmless {
        return coloured;
    }
    let cut = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…\n", line.get(..at).unwrap_or_default()),
        None => format!("{line}\n"),
    };
    visible(&text.to_string()).lines().map(cut).collect()
}
