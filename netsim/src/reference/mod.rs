//! The scenario format for editors and for people: its JSON schema and its README, both made from the types in
//! `scenario`, their comments, and scenario files that use every key.
//!
//! Pure. Must never say anything of a key that is not said where the key is: that is the type.

mod example;
mod loosen;
mod markdown;
mod tidy;
mod yaml;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::scenario::Document;

pub use markdown::readme;

/// By which name the schema is known, wherever it lies. The number is the version of the format.
const ID: &str = "urn:netsim:scenario:1";

/// The JSON schema of a scenario file: draft 7, which every editor knows.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>();
    schema.insert("$id".to_owned(), ID.into());
    schema.insert("title".to_owned(), "A scenario of netsim".into());
    let mut schema = schema.to_value();
    head_first(&mut schema);
    tidy::tidy(&mut schema);
    example::add(&mut schema, &example::files());
    loosen::loosen(&mut schema);
    schema
}

/// Puts what tells one schema from another first, for whoever opens the file.
fn head_first(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    let head = ["$schema", "$id", "title", "description"];
    let first = head.into_iter().filter_map(|word| map.shift_remove_entry(word)).collect::<Vec<_>>();
    *map = first.into_iter().chain(std::mem::take(map)).collect();
}
