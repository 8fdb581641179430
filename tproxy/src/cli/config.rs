//! `tproxy config`.

use clap::Args;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::limits::NoLimits;
use super::sources;
use crate::config::print;

/// The flags of `tproxy config`: those of `install`, and how to print.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy config --exclude-outbound-ports 22 --origin

What is printed is read by --config again, and means the same.")]
pub(super) struct Print {
    /// Say for each value where it came from: default, file:line, variable or flag
    #[arg(long, help_heading = "Output")]
    origin: bool,
    #[command(flatten)]
    configuration: ConfigurationFlags,
    #[command(flatten)]
    _limits: NoLimits,
}

impl Print {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let resolved = sources::configuration(&self.configuration, surroundings)?;
        match (surroundings.output.json, self.origin) {
            (false, origin) => Ok(write!(surroundings.out, "{}", print::yaml(&resolved, origin))?),
            (true, false) => surroundings.print_json(&print::json(&resolved)),
            (true, true) => surroundings.print_json(&print::json_with_origins(&resolved)),
        }
    }
}
