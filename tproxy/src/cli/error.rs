//! Everything that can stop a verb, and the exit code that it means.

use crate::apply::ApplyError;
use crate::apply::lock::LockError;
use crate::config::Problems;
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

/// What stopped a verb.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Configuration(#[from] Problems),
    #[error("cannot read the configuration {path}: {error}; check that it exists and may be read")]
    ConfigurationFile { path: String, error: std::io::Error },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("changing this network namespace needs root: run tproxy as root, or with --dry-run to look only")]
    NotRoot,
    #[error(transparent)]
    Tools(#[from] ToolError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("cannot print: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_)
            | Self::ConfigurationFile { .. }
            | Self::Plan(_)
            | Self::Unsupported(_)
            | Self::Forbidden(_)
            | Self::NotRoot => REFUSED,
            Self::Tools(
                ToolError::NotFound
                | ToolError::NotExecutable(_)
                | ToolError::Blind { .. }
                | ToolError::NotIptables { .. }
                | ToolError::MixedFlavours { .. },
            ) => REFUSED,
            Self::Tools(_) | Self::Host(_) | Self::Lock(_) | Self::Apply(_) | Self::Output(_) => FAILED,
        }
    }
}
