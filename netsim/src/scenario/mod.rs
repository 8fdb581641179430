//! Scenario files: what must happen, in the words of the schema.
//!
//! Loading and checking need no root and change nothing. Must never run anything: that is `run`.

mod check;
mod check_families;
mod check_numbers;
mod check_people;
mod check_steps;
mod crowd;
mod expand;
mod expectation;
mod foreign;
mod install;
mod layout;
mod load;
mod people;
mod schema;
mod source;
mod spanned;
mod step;
mod table;
mod variables;

pub use crowd::{Burst, Queries};
pub use expand::{Variant, variants};
pub use expectation::{Endpoint, Expectation, Place, Protocol, Who, WirePlace};
pub use install::{InstallError, plan};
pub use layout::{BridgeSpec, Layout, LinkSpec, NameServerSpec, OwnLayout, Rate, RouteSpec};
pub use load::{Scenario, ScenarioError, files, load, parse};
pub use people::{POD, Person, RunsAs, User, people};
pub use schema::{Document, Files, FlagValue, Only, Resolver, ServerProgram, Sidecar};
pub use spanned::Spanned;
pub use step::{
    AddAddress, CraftedSegment, Deed, Ending, Inject, Install, Lasting, LinkDown, Loss, Open, Part, Repeat,
    Step, Talk, Talked, Until, WaitFor, Yes,
};
pub use table::Table;
