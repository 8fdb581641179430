//! Whether an installation is whole and works: what should be there beside what is (`assess`), what its rules counted
//! (`counters`), and where packets really go (`probe`).
//!
//! All but `probe` is pure. Must never mend anything, nor decide what to do about a finding.

pub mod assess;
mod compare;
pub mod counters;
pub mod finding;
pub mod probe;
pub mod programs;
mod sequence;
mod shape;
