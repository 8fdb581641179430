//! The README of the format: prose from a template, and the schema's keys, values and steps as tables.
//!
//! Pure.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::yaml;

/// The prose. A line of it asks for the table of a definition.
const TEMPLATE: &str = include_str!("readme.md");

/// The README that belongs to a schema.
#[must_use]
pub fn readme(schema: &Value) -> String {
    let line = |line: &str| match wanted(line).and_then(|name| table(definition(schema, name)?)) {
        Some(table) => table,
        None => format!("{line}\n"),
    };
    TEMPLATE.lines().map(line).collect()
}

/// The definition whose table a line asks for.
fn wanted(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- keys: ")?.strip_suffix(" -->")
}

/// A definition by name; the file itself is the whole schema.
fn definition<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    if name == "Document" { Some(schema) } else { schema.get("definitions")?.get(name) }
}

fn table(definition: &Value) -> Option<String> {
    if let Some(properties) = definition.get("properties").and_then(Value::as_object) {
        return Some(keys(properties, definition));
    }
    let options = definition.get("oneOf").or_else(|| definition.get("anyOf"))?.as_array()?;
    let is_step = |option: &Value| option.get("properties").is_some();
    Some(if options.iter().all(is_step) { steps(options) } else { values(options) })
}

/// The keys of a mapping.
fn keys(properties: &Map<String, Value>, definition: &Value) -> String {
    let required = definition.get("required").and_then(Value::as_array);
    let is_required = |key: &str| required.is_some_and(|keys| keys.iter().any(|one| one == key));
    let mut table = Table::of(&["key", "meaning", "default", "example"]);
    for (key, schema) in properties {
        let default = match schema.get("default") {
            _ if is_required(key) => "required".to_owned(),
            Some(default) => code(&yaml::flow(default)),
            None => String::new(),
        };
        table.row(&[&code(key), said(schema), &default, &example(key, schema)]);
    }
    table.0
}

/// Mappings of one key each.
fn steps(options: &[Value]) -> String {
    let mut table = Table::of(&["step", "meaning", "example"]);
    for option in options {
        for (key, schema) in option.get("properties").and_then(Value::as_object).into_iter().flatten() {
            table.row(&[&code(key), said(option), &example(key, schema)]);
        }
    }
    table.0
}

/// The words that a value can be.
fn values(options: &[Value]) -> String {
    let mut table = Table::of(&["value", "meaning"]);
    for option in options.iter().filter(|option| option.get("description").is_some()) {
        let word = option.get("const").map_or_else(|| "another".to_owned(), |word| code(&yaml::flow(word)));
        table.row(&[&word, said(option)]);
    }
    table.0
}

/// What a schema says of itself.
fn said(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn example(key: &str, schema: &Value) -> String {
    let example = schema.get("examples").and_then(|examples| examples.get(0));
    example.map_or_else(String::new, |value| code(&yaml::entry(key, value)))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A table in the making.
struct Table(String);

impl Table {
    fn of(columns: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(columns);
        table.row(&vec!["---"; columns.len()]);
        table
    }

    fn row(&mut self, cells: &[&str]) {
        for cell in cells {
            // Writing to a text cannot fail.
            let _ = write!(self.0, "| {} ", cell.replace('|', "\\|"));
        }
        self.0.push_str("|\n");
    }
}
