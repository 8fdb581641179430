//! The tproxy binary as users run it, always inside a node of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod check;
mod defects;
mod examples;
mod hostile;
mod interruptions;
mod kuma;
mod output;
mod pod;
mod promises;
mod readme;
mod refusals;
mod stored;
mod transcript;
mod variables;
