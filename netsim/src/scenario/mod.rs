//! Scenario files: what must happen, in the words of the schema.
//!
//! Loading and checking need no root and change nothing. Must never run anything: that is `run`.

mod check;
mod expand;
mod install;
mod load;
mod schema;

pub use expand::{Variant, variants};
pub use install::{InstallError, plan};
pub use load::{Scenario, ScenarioError, files, load, parse};
pub use schema::{
    Burst, Document, Endpoint, Expectation, FlagValue, Install, Only, Place, Repeat, ServerProgram, Sidecar,
    Step, Who,
};
