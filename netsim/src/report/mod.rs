//! Reports as text. Must never judge: it shows what a run found.

mod bench;
mod flows;
mod table;
mod text;

pub use bench::bench;
pub use flows::flows;
pub use text::{checks, failure, line, rules, summary};
