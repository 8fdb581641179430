//! Settings written as files, variables and flags.
//!
//! Must never know a setting: keys and values come in.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// A document that holds one key.
pub(crate) fn document(key: &str, value: &Json) -> Json {
    key.rsplit('.').fold(value.clone(), |below, name| json!({ name: below }))
}

/// A document in YAML's block style.
pub(crate) fn yaml(document: &Json) -> String {
    fn block(text: &mut String, indent: usize, value: &Json) {
        let Json::Object(map) = value else { return };
        for (name, value) in map {
            match value {
                Json::Object(_) => {
                    text.push_str(&format!("{:indent$}{name}:\n", ""));
                    block(text, indent + 2, value);
                }
                value => text.push_str(&format!("{:indent$}{name}: {value}\n", "")),
            }
        }
    }
    let mut text = String::new();
    block(&mut text, 0, document);
    text
}

/// A value as the text of a flag or variable.
pub(crate) fn text(value: &Json) -> String {
    match value {
        Json::String(word) => word.clone(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Variables by name.
pub(crate) fn variables<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
