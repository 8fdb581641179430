//! Printing and reading again, merging, and all ways to write one configuration: properties of random ones.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tproxy::config::settings::{self, VARIABLE_PREFIX};
use tproxy::config::{Config, Layers, Resolved, print};

use crate::arbitrary::{Document, Texts, document, nested};
use crate::write;

fn resolved(layers: Layers) -> Resolved {
    layers.resolve().unwrap_or_else(|problems| panic!("{problems}"))
}

fn read(text: impl Into<Vec<u8>>) -> Config {
    resolved(Layers::default().file("f", text)).config
}

fn fold(texts: &[String]) -> Resolved {
    resolved(texts.iter().fold(Layers::default(), |layers, text| layers.file("f", text.as_str())))
}

proptest! {
    #[test]
    fn what_is_printed_means_the_same_when_it_is_read(
        document in document(Texts::Wild), name in "\\PC{0,5}|a\nb: c|a\rb: c",
    ) {
        let original = resolved(Layers::default().file(name, nested(&document).to_string()));
        let texts = [
            print::yaml(&original, false),
            print::yaml(&original, true),
            print::json(&original).to_string(),
            print::json_with_origins(&original).to_string(),
        ];
        for text in texts {
            let again = Layers::default().file("printed", text.as_str()).resolve();
            prop_assert_eq!(again.map(|again| again.config), Ok(original.config.clone()), "{}", text);
        }
    }

    /// Later files replace values and lists, key by key, however the files are grouped. What `config` prints of the
    /// first two stands for both.
    #[test]
    fn files_may_be_merged_in_any_grouping(documents in prop::array::uniform3(document(Texts::Plain))) {
        let documents = documents.map(with_ports);
        let merged = |first: &Document, second: &Document| {
            let mut merged = first.clone();
            merged.extend(second.clone());
            nested(&merged).to_string()
        };
        let texts = documents.each_ref().map(|document| nested(document).to_string());
        let [first, second, third] = &documents;
        let at_once = fold(&texts).config;
        prop_assert_eq!(&fold(&[merged(first, second), texts[2].clone()]).config, &at_once);
        prop_assert_eq!(&fold(&[texts[0].clone(), merged(second, third)]).config, &at_once);
        let printed = print::yaml(&fold(&texts[..2]), false);
        prop_assert_eq!(&fold(&[printed, texts[2].clone()]).config, &at_once);
    }

    #[test]
    fn flags_variables_yaml_and_json_mean_the_same(document in document(Texts::Plain)) {
        let text = nested(&document);
        let json = read(text.to_string());
        prop_assert_eq!(&read(write::yaml(&text)), &json);
        prop_assert_eq!(&resolved(as_variables(&document)).config, &json);
        prop_assert_eq!(&resolved(as_flags(&document)).config, &json);
    }
}

/// What is off and has no port cannot be turned on by another file alone.
fn with_ports(mut document: Document) -> Document {
    document.retain(|key, value| !(key.ends_with(".port") && *value == json!(0)));
    document
}

/// The programs of a document as the one text that flag and variable take, if it has any.
pub(crate) fn programs(document: &Document) -> Option<String> {
    let named = document.iter().filter_map(|(key, path)| {
        let name = key.strip_prefix("iptablesExecutables.")?;
        Some(format!("{name}:{}", path.as_str()?))
    });
    Some(named.collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
}

/// Everything as variables.
pub(crate) fn as_variables(document: &Document) -> Layers {
    let named = document.iter().filter_map(|(key, value)| {
        let name = settings::of_key(key)?.prefixed_variable()?;
        Some((name, write::text(value)))
    });
    let programs = programs(document).map(|text| (format!("{VARIABLE_PREFIX}IPTABLES_EXECUTABLES"), text));
    Layers::default().environment(&named.chain(programs).collect())
}

/// Everything that has a flag as flags, the rest as a file.
pub(crate) fn as_flags(document: &Document) -> Layers {
    let mut layers = Layers::default();
    let mut rest = Document::new();
    // Of the two flags for DNS only one may be given.
    let captures_all = document.get("redirect.dns.captureAll") == Some(&json!(true));
    for (key, value) in document.iter().filter(|(key, _)| !(captures_all && **key == "redirect.dns.enabled"))
    {
        let setting = settings::of_key(key).unwrap();
        match (setting.flag, value) {
            (Some(flag), Json::Array(items)) if setting.repeats => {
                layers = items.iter().fold(layers, |layers, item| layers.flag(flag, write::text(item)));
            }
            (Some(flag), value) => layers = layers.flag(flag, write::text(value)),
            (None, _) if key.starts_with("iptablesExecutables.") => {}
            (None, value) => drop(rest.insert(key, value.clone())),
        }
    }
    if let Some(programs) = programs(document) {
        layers = layers.flag("iptables-executables", programs);
    }
    layers.file("rest", nested(&rest).to_string())
}
