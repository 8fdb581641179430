//! How long a run may take.
//!
//! Must never cut the work short: what is not done in time is taken back.

use std::time::Duration;

use clap::Args;

use crate::apply::patience::Patience;
use crate::config::Loading;
use crate::config::value::{Refusals, Spelling, Value};

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

/// The flag of `install` by which nobody locks himself out.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Confirmation {
    /// Return the state before unless `tproxy confirm` is run within this time, 1s to 1h
    #[arg(long = "confirm-within", value_name = "DURATION", value_parser = confirmation)]
    pub(super) within: Option<Duration>,
}

/// The same flags where nothing is changed: whoever takes the flags of `install` takes them, and they limit nothing.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct NoLimits {
    #[arg(long = "timeout", value_name = "DURATION", value_parser = duration, hide = true)]
    _timeout: Option<Duration>,
    #[arg(long = "confirm-within", value_name = "DURATION", value_parser = confirmation, hide = true)]
    _confirm_within: Option<Duration>,
}

/// How long somebody may have to confirm: shorter, nobody could, and longer, nobody would wait who is locked out.
fn confirmation(text: &str) -> Result<Duration, String> {
    const ALLOWED: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
    let time = duration(text)?;
    if ALLOWED.contains(&time) { Ok(time) } else { Err("is not from 1s to 1h".to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = Duration::read(&Value::Text(text.to_owned()));
    read.map_err(|refusals| told(&refusals))
}

/// What is wrong with a value, on one line.
pub(super) fn told(refusals: &Refusals) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
