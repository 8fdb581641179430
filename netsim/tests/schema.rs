//! The JSON schema of scenario files and their README: committed as they are generated, and right.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use netsim::{reference, scenario};
use rstest::rstest;
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn validator() -> Validator {
    jsonschema::validator_for(&reference::schema()).unwrap()
}

/// A scenario file as an editor sees it: variables and includes are texts.
fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// All that is wrong with a file.
fn faults(validator: &Validator, file: &Value) -> Vec<String> {
    validator.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[rstest]
#[case("scenarios/schema.json", format!("{:#}\n", reference::schema()), "schema")]
#[case("scenarios/README.md", reference::readme(&reference::schema()), "schema --readme")]
fn what_is_committed_is_what_the_types_say(#[case] file: &str, #[case] wanted: String, #[case] verb: &str) {
    let committed = std::fs::read_to_string(folder(file)).unwrap();
    if committed != wanted {
        let line = committed.lines().zip(wanted.lines()).position(|(is, should)| is != should);
        let line = line.unwrap_or_else(|| committed.lines().count().min(wanted.lines().count())) + 1;
        panic!("{file} differs from line {line} on; make it anew: cargo run -p netsim -- {verb} >{file}");
    }
}

#[rstest]
#[case("scenarios")]
#[case("netsim/tests/wrong")]
fn every_scenario_file_is_right_by_the_schema(#[case] place: &str) {
    let validator = validator();
    for (id, path) in scenario::files(&folder(place)).unwrap() {
        let faults = faults(&validator, &read(&std::fs::read_to_string(path).unwrap()));
        assert!(faults.is_empty(), "{id}: {faults:#?}");
    }
}

const HEAD: &str = "version: 1\nname: shown\n";

#[rstest]
#[case::unknown_key("expects: []")]
#[case::unknown_key_within("expect: [ { from: app, too: \"peer:80\", reaches: peer } ]")]
#[case::unknown_step("steps: [ { instal: {} } ]")]
#[case::two_steps_in_one("steps: [ { install: {}, uninstall: {} } ]")]
#[case::unknown_key_of_a_step("steps: [ { install: { flag: {} } } ]")]
#[case::unknown_topology("topology: pod-and-per")]
#[case::wrong_topology("topology: 7")]
#[case::unknown_key_of_a_topology("topology: { nodes: [pod], links: [], addresses: {}, bridge: [] }")]
#[case::missing_key("expect: [ { to: \"peer:80\", reaches: peer } ]")]
#[case::missing_reason("only: { backends: [iptables-nft] }")]
#[case::unknown_backend("only: { backends: [ebfp], because: b }")]
#[case::list_wanted("expect: { from: app }")]
#[case::number_wanted("steps: [ { loss: { at: pod eth0, percent: many } } ]")]
#[case::number_out_of_range("steps: [ { loss: { at: pod eth0, percent: 101 } } ]")]
#[case::switch_wanted("exclusive: often")]
#[case::nothing("exclusive:")]
#[case::statement("steps: [ { leaves-nothing-behind: false } ]")]
#[case::no_port("expect: [ { from: app, to: peer, reaches: peer } ]")]
#[case::no_interface("expect: [ { from: app, to: \"peer:80\", reaches: peer, leaves: eth0 } ]")]
#[case::no_route(
    "topology: { nodes: [pod], links: [], addresses: {}, routes: { pod: [default by 10.0.0.1] } }"
)]
#[case::no_rate("topology: { nodes: [pod], links: [ { between: [a b, c d], rate: 10 } ], addresses: {} }")]
#[case::no_time("steps: [ { link-down: { at: pod eth0, for: 3 } } ]")]
#[case::no_network("steps: [ { add-address: { at: pod eth0, address: 10.0.0.1 } } ]")]
#[case::unknown_protocol("expect: [ { from: app, to: \"peer:80\", reaches: peer, protocol: sctp } ]")]
fn a_wrong_file_is_refused_by_the_schema_and_by_netsim(#[case] section: &str) {
    let text = format!("{HEAD}{section}\n");
    assert!(!faults(&validator(), &read(&text)).is_empty(), "the schema takes {section}");
    assert!(scenario::parse("x", "x.yaml", text).is_err(), "netsim takes {section}");
}

#[rstest]
#[case("variables: { p: 9, who: peer }\nsteps:\n  - loss:\n      at: \"${who} eth0\"\n      percent: ${p}\n")]
#[case(
    "variables: { p: 9 }\nexpect: [ { from: app, to: \"peer:${p}\", reaches: \"${who}\", protocol: \"${x}\" } ]\n"
)]
#[case("expect: !include more.part.yaml\ntable: !include more.part.yaml\n")]
#[case("heavy: ${long}\nonly: { families: [\"${family}\"], because: b }\n")]
fn variables_and_included_files_stand_for_values(#[case] section: &str) {
    let faults = faults(&validator(), &read(&format!("{HEAD}{section}")));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Every key of the schema, with the name of the definition that it belongs to.
fn keys(schema: &Value) -> Vec<(String, String, Value)> {
    let definitions = schema["definitions"].as_object().unwrap();
    // tproxy's own options have no examples here: what each is for says its help.
    let own = definitions.iter().filter(|(name, _)| *name != "Flags" && *name != "Variables");
    let all = own.map(|(name, one)| (name.as_str(), one)).chain([("Document", schema)]);
    let of_one = |(name, one): (&str, &Value)| {
        let options = one["oneOf"].as_array().into_iter().flatten();
        let properties = options.chain([one]).filter_map(|one| one["properties"].as_object()).flatten();
        properties.map(|(key, of)| (name.to_owned(), key.clone(), of.clone())).collect::<Vec<_>>()
    };
    all.flat_map(of_one).collect()
}

#[test]
fn every_key_is_explained_in_the_readme_with_an_example_that_the_schema_takes() {
    let schema = reference::schema();
    let readme = reference::readme(&schema);
    assert!(!readme.contains("<!-- keys:"), "a table is missing");
    let keys = keys(&schema);
    assert!(keys.len() > 90, "there are {} keys", keys.len());
    for (definition, key, of) in keys {
        let description = of["description"].as_str().unwrap_or_default();
        assert!(readme.contains(&format!("| `{key}` | {description}")), "{definition}: `{key}`");
        let [example] = of["examples"].as_array().map_or(&[][..], Vec::as_slice) else {
            panic!("no file in scenarios/examples uses `{key}` of {definition}")
        };
        let mut alone = json!({ "definitions": schema["definitions"] });
        alone.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        let validator = jsonschema::validator_for(&alone).unwrap();
        assert!(validator.is_valid(example), "{definition}: `{key}: {example}`");
    }
}

#[test]
fn every_word_that_a_value_can_be_is_explained_in_the_readme() {
    let schema = reference::schema();
    let readme = reference::readme(&schema);
    for definition in schema["definitions"].as_object().unwrap().values() {
        for option in definition["anyOf"].as_array().into_iter().flatten() {
            let (Some(word), Some(meaning)) = (option["const"].as_str(), option["description"].as_str())
            else {
                continue;
            };
            assert!(readme.contains(&format!("| `{word}` | {meaning} |")), "`{word}`");
        }
    }
}
