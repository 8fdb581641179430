//! Crowds, as types: many connections or queries at once.
//!
//! Must never hold a rule that needs more than one value: that is `check`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expectation::{Endpoint, Place, Who};
use super::spanned::Spanned;
use super::step::Until;

/// Many connections.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Burst {
    /// Who opens them.
    pub from: Who,
    /// Where to.
    pub to: Spanned<Endpoint>,
    /// How many.
    pub connections: usize,
    /// How many at a time.
    #[serde(default = "eight")]
    pub at_once: usize,
    /// Who must answer each of them.
    pub reaches: Place,
    /// More of them, until this has happened.
    #[serde(default)]
    pub until: Option<Spanned<Until>>,
}

/// Many queries.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Queries {
    /// Who sends them.
    pub from: Who,
    /// The name to ask for.
    pub ask: String,
    /// Whom to ask, port 53.
    pub server: Spanned<String>,
    /// The ports to ask from, each at the same time as the others.
    #[schemars(length(min = 1))]
    pub source_ports: Vec<u16>,
    /// How many queries altogether.
    pub times: usize,
    /// Who must answer each of them.
    pub reaches: Place,
    /// More of them, until this has happened.
    #[serde(default)]
    pub until: Option<Spanned<Until>>,
}

fn eight() -> usize {
    8
}
