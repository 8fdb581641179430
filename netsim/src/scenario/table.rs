//! Many flows as a table: who in the rows, where to in the columns, who answers in the cells.
//!
//! Each cell is one connection of its own; a table says nothing that expectations could not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::expectation::{Endpoint, Expectation, Place, Who};
use super::spanned::Spanned;

/// Many connections: who calls stands on the left, where to above, who answers in the cell.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Table {
    /// Where to, as `name:port`.
    pub columns: Vec<Spanned<Endpoint>>,
    /// By who calls: who answers, one cell a column. Each cell is a connection of its own.
    pub rows: BTreeMap<Who, Spanned<Vec<Place>>>,
}

impl Table {
    /// What the table means.
    #[must_use]
    pub fn expectations(&self) -> Vec<Spanned<Expectation>> {
        let of_row = |(who, places): (&Who, &Spanned<Vec<Place>>)| {
            let cells = self.columns.iter().zip(&places.value);
            let expected = cells.map(|(to, place)| Spanned {
                value: Expectation {
                    to: Some(to.clone()),
                    reaches: Some(place.clone()),
                    ..Expectation::of(who.clone())
                },
                referenced: places.referenced,
                defined: places.defined,
            });
            expected.collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row).collect()
    }

    /// Rows that have not one cell a column.
    pub(super) fn uneven(&self) -> impl Iterator<Item = (&Who, &Spanned<Vec<Place>>)> {
        self.rows.iter().filter(|(_, places)| places.value.len() != self.columns.len())
    }
}
