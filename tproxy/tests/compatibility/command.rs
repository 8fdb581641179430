//! The command line run inside this process, for verbs that need no node because they change nothing.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tproxy::cli::{self, StreamColours};
use tproxy::host::netns::{FORBID_VARIABLE, NetnsId};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command line with these variables, and with this network namespace forbidden.
pub(crate) fn run_with(arguments: &[&str], variables: BTreeMap<String, String>) -> Ran {
    let harmless = ["config", "explain", "--help", "-h", "completions", "man"];
    assert!(arguments.iter().any(|argument| harmless.contains(argument)), "{arguments:?} needs a node");
    let mut variables = variables;
    variables.insert(FORBID_VARIABLE.to_owned(), NetnsId::current().unwrap().to_string());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = cli::run(arguments, variables, StreamColours::NEVER, &mut out, &mut err);
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// Runs a command line without variables.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, BTreeMap::new())
}

/// What `tproxy config --json` prints, and tells on standard error, a message a line.
pub(crate) fn configuration(arguments: &[&str]) -> (Json, String) {
    let ran = run(&[&["tproxy", "config", "--json"], arguments].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    (
        serde_json::from_str(&ran.out).unwrap(),
        told(&ran.err).iter().map(|told| text(told, "message") + "\n").collect(),
    )
}

/// The lines of JSON on standard error.
pub(crate) fn told(err: &str) -> Vec<Json> {
    err.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// A text in an object; nothing where it has none of this key.
pub(crate) fn text(object: &Json, key: &str) -> String {
    object.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}
