//! Examples of keys, out of scenario files that run with all the others: the first value that a key has in one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Files that use every key between them; the simple ones come first.
const FILES: [&str; 10] = [
    include_str!("../../../scenarios/examples/first.yaml"),
    include_str!("../../../scenarios/examples/uninstall.yaml"),
    include_str!("../../../scenarios/examples/steps.yaml"),
    include_str!("../../../scenarios/examples/table.yaml"),
    include_str!("../../../scenarios/examples/connections.yaml"),
    include_str!("../../../scenarios/examples/programs.yaml"),
    include_str!("../../../scenarios/examples/resolver.yaml"),
    include_str!("../../../scenarios/examples/faults.yaml"),
    include_str!("../../../scenarios/examples/crowds.yaml"),
    include_str!("../../../scenarios/examples/topology.yaml"),
];

/// The files, as values.
pub(super) fn files() -> Vec<Value> {
    // A file that is none is missed by the test that every key has an example.
    FILES.iter().filter_map(|text| serde_saphyr::from_str(text).ok()).collect()
}

/// Gives every key of a schema that is in one of the files its value there as an example.
pub(super) fn add(schema: &mut Value, files: &[Value]) {
    let mut found = BTreeMap::new();
    for file in files {
        visit(schema, "", file, &mut found);
    }
    for (key, value) in found {
        if let Some(Value::Object(key)) = schema.pointer_mut(&key) {
            key.insert("examples".to_owned(), vec![value].into());
        }
    }
}

/// Notes of each key that `value` holds where the schema says what it is, which is a pointer into the schema.
fn visit(root: &Value, at: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    let Some(Value::Object(schema)) = root.pointer(at) else { return };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        visit(root, target.trim_start_matches('#'), value, found);
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        let options = schema.get(word).and_then(Value::as_array).map_or(0, Vec::len);
        (0..options).for_each(|number| visit(root, &format!("{at}/{word}/{number}"), value, found));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(root, &format!("{at}/items"), item, found)),
        Value::Object(map) if fits(schema, map) => {
            for (key, value) in map {
                let is_known = schema.get("properties").is_some_and(|keys| keys.get(key).is_some());
                let key = if is_known {
                    format!("{at}/properties/{key}")
                } else {
                    format!("{at}/additionalProperties")
                };
                if is_known {
                    found.entry(key.clone()).or_insert_with(|| value.clone());
                }
                visit(root, &key, value, found);
            }
        }
        _ => {}
    }
}

/// Whether a mapping can be of this schema, rather than of one of its alternatives.
fn fits(schema: &Map<String, Value>, map: &Map<String, Value>) -> bool {
    let is_known = |key: &String| schema.get("properties").is_some_and(|keys| keys.get(key).is_some());
    schema.get("additionalProperties").is_some_and(Value::is_object) || map.keys().all(is_known)
}
