//! Scenario files: what must happen, in the words of the schema.
//!
//! Loading and checking need no root and change nothing. Must never run anything: that is `run`.

mod check;
mod check_steps;
mod expand;
mod expectation;
mod install;
mod load;
mod schema;
mod step;

pub use expand::{Variant, variants};
pub use expectation::{Endpoint, Expectation, Place, Who, WirePlace};
pub use install::{InstallError, plan};
pub use load::{Scenario, ScenarioError, files, load, parse};
pub use schema::{Document, FlagValue, Only, Resolver, ServerProgram, Sidecar};
pub use step::{
    Burst, CraftedSegment, Deed, Ending, Inject, Install, Open, Part, Queries, Repeat, Step, Talk, Talked,
    Until, WaitFor, Yes,
};
