//! Values as YAML in one line, as scenario files write them: `{ from: app, to: "peer:80" }`.
//!
//! Pure.

use serde_json::Value;

/// A value in one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            // A list of mappings or lists is easier to read with space around them.
            let space = if items.iter().any(|item| item.starts_with(['{', '['])) { " " } else { "" };
            format!("[{space}{}{space}]", items.join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| entry(key, value)).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key with its value.
pub(super) fn entry(key: &str, value: &Value) -> String {
    // A key is a text whatever it looks like.
    let key = if is_word(key) { key.to_owned() } else { Value::from(key).to_string() };
    format!("{key}: {}", flow(value))
}

/// Whether a text needs no quotes to be read as one, rather than as a number or a switch.
fn is_plain(text: &str) -> bool {
    is_word(text) && serde_saphyr::from_str::<Value>(text).is_ok_and(|value| value == text)
}

/// Whether nothing in a text means anything in YAML.
fn is_word(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/-_".contains(c));
    let ends = text.ends_with(|c: char| c.is_ascii_alphanumeric() || "/_.".contains(c));
    begins
        && ends
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " -_./@+".contains(c))
        && text != "---"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_what_scenario_files_hold() {
        let value = json!({ "from": "app", "to": "peer:80", "through": [], "bytes": 9 });
        assert_eq!(flow(&value), r#"{ from: app, to: "peer:80", through: [], bytes: 9 }"#);
        assert_eq!(flow(&json!([[{}], ["a", "-u"]])), "[ [ {} ], [a, -u] ]");
    }

    #[test]
    fn whatever_is_written_is_read_again() {
        let texts = [
            "80",
            "true",
            "a: b",
            "- a",
            "",
            " a",
            "null",
            "1.5",
            "a\nb",
            "*x",
            "10.0.0.1/8",
            "::",
            "~",
            "-",
        ];
        let value = json!({ "texts": texts, "a:b": { "x, y": [null, true, -3], "on": 1, "7": 2 } });
        assert_eq!(serde_saphyr::from_str::<Value>(&flow(&value)).unwrap(), value);
    }
}
