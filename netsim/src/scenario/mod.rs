//! Scenario files: what must happen, in the words of the schema.
//!
//! Loading and checking need no root and change nothing. Must never run anything: that is `run`.

mod check;
mod expand;
mod load;
mod schema;

pub(crate) use check::layers as install_layers;
pub use expand::{Variant, variants};
pub use load::{Scenario, ScenarioError, files, load, parse};
pub use schema::{
    Document, Endpoint, Expectation, FlagValue, Install, Only, Place, ServerProgram, Sidecar, Who,
};
