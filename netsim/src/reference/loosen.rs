//! What may stand for a value: `${variable}` for a part of a text or all of it, and the name of an included file for a
//! list or a mapping.
//!
//! netsim fills both in before it looks at types; editors look at the file as it is written.

use serde_json::{Map, Value, json};

/// Where a variable stands.
const VARIABLE: &str = r"\$\{[\w-]+\}";
/// The name of an included file: editors read `!include name.part.yaml` as a text.
const INCLUDED: &str = r"\.ya?ml$";

/// Loosens every schema within a schema, but not the outermost: a file is no variable and no include itself.
pub(super) fn loosen(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for (word, within) in map {
        match word.as_str() {
            "definitions" | "properties" => {
                within.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(with_itself);
            }
            "items" | "additionalProperties" => with_itself(within),
            // Of alternatives none may take what another takes.
            "anyOf" | "oneOf" | "allOf" => within.as_array_mut().into_iter().flatten().for_each(loosen),
            _ => {}
        }
    }
}

fn with_itself(schema: &mut Value) {
    loosen(schema);
    let Value::Object(map) = schema else { return };
    if is_choice(map) {
        let options = map.remove("oneOf").and_then(|options| options.as_array().cloned()).unwrap_or_default();
        let variable = json!({ "type": "string", "pattern": VARIABLE });
        map.insert("anyOf".to_owned(), options.into_iter().chain([variable]).collect());
    } else if !map.contains_key("const") {
        or_text(map);
    }
}

/// Whether it lists the words that a value can be.
fn is_choice(schema: &Map<String, Value>) -> bool {
    let options = schema.get("oneOf").and_then(Value::as_array);
    options.is_some_and(|options| options.iter().all(|option| option.get("const").is_some()))
}

/// Its own type comes first: that is what editors complete.
fn or_text(schema: &mut Map<String, Value>) {
    let Some(name) = schema.get("type").and_then(Value::as_str).map(str::to_owned) else { return };
    let pattern = match (name.as_str(), schema.get("pattern").and_then(Value::as_str)) {
        ("integer" | "boolean", _) => VARIABLE.to_owned(),
        ("array" | "object", _) => INCLUDED.to_owned(),
        ("string", Some(pattern)) => format!("{pattern}|{VARIABLE}"),
        _ => return,
    };
    if name != "string" {
        schema.insert("type".to_owned(), json!([name, "string"]));
    }
    schema.insert("pattern".to_owned(), pattern.into());
}
