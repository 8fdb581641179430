//! How long a run may take.
//!
//! Must never cut the work short: what is not done in time is taken back.

use std::time::Duration;

use clap::Args;

use crate::apply::patience::Patience;
use crate::config::Loading;
use crate::config::value::{Spelling, Value};

/// The flag of every verb that changes the system.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Limits {
    /// How long the run may take altogether, waiting for other runs included
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    timeout: Duration,
}

impl Limits {
    /// The patience of a run that begins now.
    pub(super) fn patience(self, loading: Loading) -> Patience {
        Patience::new(loading, self.timeout)
    }
}

/// The same flag where nothing is changed: whoever takes the flags of `install` takes it, and it limits nothing.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct NoLimits {
    #[arg(long = "timeout", value_name = "DURATION", value_parser = duration, hide = true)]
    _timeout: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = Duration::read(&Value::Text(text.to_owned()));
    read.map_err(|refusals| refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
