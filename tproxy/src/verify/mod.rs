//! Whether an installation is whole: what should be there beside what is (`assess`), what its rules counted (`counters`).
//!
//! Pure. Must never mend anything, nor decide what to do about a finding.

pub mod assess;
mod compare;
pub mod counters;
pub mod finding;
mod sequence;
mod shape;
