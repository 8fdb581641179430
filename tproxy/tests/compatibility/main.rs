//! Kuma's configuration and command line, sentence by sentence of the specification, on the library's public surface
//! and on the command line inside this process.
//!
//! Nothing here may change the system: only verbs that read are run, and with this namespace forbidden.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod agreement;
mod arbitrary;
mod command;
mod defects;
mod entries;
mod flows;
mod golden;
mod grammars;
mod help;
mod machines;
mod matrix;
mod order;
mod places;
mod pod_host;
mod round_trip;
mod row;
mod rows_extensions;
mod rows_of_2_13;
mod rows_with_flag;
mod rows_without_flag;
mod verdicts;
mod write;
