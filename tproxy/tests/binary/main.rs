//! The tproxy binary as users run it, always inside a node of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod defects;
mod examples;
mod interruptions;
mod pod;
mod promises;
mod readme;
mod refusals;
mod transcript;
