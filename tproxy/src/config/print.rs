//! A configuration written as YAML or JSON, which read again gives the same.
//!
//! Must never print anything itself: texts come out.

use serde_json::{Map, Value as Json};

use super::settings;
use super::value::Value;
use super::{Config, Resolved};

/// Every setting as JSON, with nested sections as in a file.
#[must_use]
pub fn json(resolved: &Resolved) -> Json {
    let mut root = Map::new();
    for setting in settings::all() {
        let value = setting.value(&resolved.config);
        if value != Value::Null {
            insert(&mut root, setting.key, as_json(&value));
        }
    }
    Json::Object(root)
}

/// The settings that somebody chose and that tell what is installed, by key.
#[must_use]
pub fn chosen(resolved: &Resolved) -> Json {
    const OF_THE_RUN: [&str; 2] = ["dryRun", "verbose"];
    let defaults = Config::default();
    let chosen = settings::all().filter(|setting| !OF_THE_RUN.contains(&setting.key)).filter_map(|setting| {
        let value = setting.value(&resolved.config);
        (value != setting.value(&defaults)).then(|| (setting.key.to_owned(), as_json(&value)))
    });
    Json::Object(chosen.collect())
}

/// What [`chosen`] says, with nested sections as in a file.
#[must_use]
pub fn nested(chosen: &Json) -> Json {
    let mut root = Map::new();
    for (key, value) in chosen.as_object().into_iter().flatten() {
        insert(&mut root, key, value.clone());
    }
    Json::Object(root)
}

/// The key under which [`json_with_origins`] says where the values came from. What reads a configuration passes it over.
pub(super) const ORIGIN: &str = "origin";

/// Every setting as [`json`] has it, and beside them where each value came from.
#[must_use]
pub fn json_with_origins(resolved: &Resolved) -> Json {
    let mut root = json(resolved);
    if let Json::Object(root) = &mut root {
        root.insert(ORIGIN.to_owned(), origins(resolved));
    }
    root
}

/// Where every value came from, by key.
fn origins(resolved: &Resolved) -> Json {
    let origin = |setting: &settings::Setting| {
        let shown = (setting.value(&resolved.config) != Value::Null).then(|| origin(resolved, setting.key));
        shown.map(|origin| (setting.key.to_owned(), Json::String(origin)))
    };
    Json::Object(settings::all().filter_map(origin).collect())
}

/// Every setting as YAML; with `origins`, each with a comment that says where it came from.
#[must_use]
pub fn yaml(resolved: &Resolved, origins: bool) -> String {
    let mut text = String::new();
    if let Json::Object(root) = json(resolved) {
        section(&mut text, "", &root, &|key| origins.then(|| origin(resolved, key)));
    }
    text
}

fn origin(resolved: &Resolved, key: &str) -> String {
    resolved.origin(key).to_string()
}

fn insert(map: &mut Map<String, Json>, key: &str, value: Json) {
    let Some((section, rest)) = key.split_once('.') else {
        map.insert(key.to_owned(), value);
        return;
    };
    let below = map.entry(section).or_insert_with(|| Json::Object(Map::new()));
    if let Json::Object(below) = below {
        insert(below, rest, value);
    }
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::String(text.clone()),
        // No setting writes numbers beyond 64 bits, fractions or mappings.
        Value::Integer(number) => Json::from(i64::try_from(*number).unwrap_or(i64::MAX)),
        Value::Bool(value) => Json::Bool(*value),
        Value::List(items) => Json::Array(items.iter().map(as_json).collect()),
        Value::Float(_) | Value::Mapping | Value::Null => Json::Null,
    }
}

fn section(text: &mut String, path: &str, map: &Map<String, Json>, origin: &dyn Fn(&str) -> Option<String>) {
    let indent = "  ".repeat(if path.is_empty() { 0 } else { path.split('.').count() });
    for (name, value) in map {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let comment =
            origin(&full).map_or_else(String::new, |origin| format!("  # {}", on_one_line(&origin)));
        match value {
            Json::Object(below) => {
                text.push_str(&format!("{indent}{name}:\n"));
                section(text, &full, below, origin);
            }
            Json::Array(items) if !items.is_empty() => {
                text.push_str(&format!("{indent}{name}:{comment}\n"));
                items.iter().for_each(|item| text.push_str(&format!("{indent}  - {}\n", scalar(item))));
            }
            other => text.push_str(&format!("{indent}{name}: {}{comment}\n", scalar(other))),
        }
    }
}

/// A file's name may hold anything, and a comment ends with its line.
fn on_one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if breaks(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// A word is written as it is where YAML reads it as nothing but that word; else as JSON, which is YAML, too.
fn scalar(value: &Json) -> String {
    const OTHERWISE: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
    match value {
        Json::String(word) => {
            let starts = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
            let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/.".contains(&byte));
            let means_else = OTHERWISE.iter().any(|other| other.eq_ignore_ascii_case(word));
            if starts && plain && !means_else { word.clone() } else { value.to_string() }
        }
        other => other.to_string(),
    }
}
