//! Takes out of a schema what says something of Rust, and not of scenario files.

use serde_json::{Map, Value};

/// Tidies a schema and all within it.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(map) => {
            map.values_mut().for_each(tidy);
            without_null(map);
            without_rust(map);
        }
        _ => {}
    }
}

/// A key that may be left out is left out, and not given nothing.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|name| name != "null"));
        if let [only] = options.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            schema.insert("allOf".to_owned(), vec![only].into());
        }
    }
}

fn without_rust(schema: &mut Map<String, Value>) {
    if schema.get("format").is_some_and(Value::is_string) {
        schema.remove("format");
    }
    let says_nothing = |default: &Value| {
        default.is_null()
            || default.as_array().is_some_and(Vec::is_empty)
            || default.as_object().is_some_and(Map::is_empty)
    };
    if schema.get("default").is_some_and(says_nothing) {
        schema.remove("default");
    }
    // A comment's lines end where they do to fit the source.
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}
