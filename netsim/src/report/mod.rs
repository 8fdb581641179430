//! Reports as text. Must never judge: it shows what a run found.

mod flows;
mod table;
mod text;

pub use flows::flows;
pub use text::{checks, failure, line, rules, summary};
