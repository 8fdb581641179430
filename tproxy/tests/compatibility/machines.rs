//! What `--json` prints where something is wrong: a line of JSON for each error and each warning, with the exit codes that
//! people get.

use std::collections::BTreeMap;

use crate::command::{Ran, run, run_with, text, told};

/// Level, origin, key and the beginning of the message of each line.
fn lines(ran: &Ran) -> Vec<[String; 4]> {
    let line = |line| {
        let message = text(line, "message").split([' ', ';']).next().unwrap().to_owned();
        [text(line, "level"), text(line, "origin"), text(line, "key"), message]
    };
    told(&ran.err).iter().map(line).collect()
}

fn expected<const N: usize>(lines: [[&str; 4]; N]) -> Vec<[String; 4]> {
    lines.map(|line| line.map(str::to_owned)).to_vec()
}

#[test]
fn usage_and_configuration_are_told_together() {
    let ran = run(&[
        "tproxy",
        "explain",
        "--json",
        "--to",
        "here",
        "--direction",
        "inbound",
        "--bogus",
        "--wait",
        "soon",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    let found = expected([
        ["error", "--to", "", "invalid"],
        ["error", "--bogus", "", "unexpected"],
        ["error", "--wait", "wait", "`soon`"],
    ]);
    assert_eq!(lines(&ran), found, "{ran:?}");
}

#[test]
fn a_place_in_a_file_is_told_with_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml").display().to_string();
    std::fs::write(&path, "redirct: {}\nwait: soon\n").unwrap();
    let ran = run(&["tproxy", "config", "--config", &path, "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    let found = expected([
        ["error", &format!("{path}:1:1"), "redirct", "is"],
        ["error", &format!("{path}:2:7"), "wait", "`soon`"],
    ]);
    assert_eq!(lines(&ran), found, "{ran:?}");
}

#[test]
fn a_flow_that_cannot_be_is_told_so_too() {
    let to = ["--direction", "inbound", "--to", "203.0.113.1:80", "--uid", "7"];
    let ran = run(&[&["tproxy", "explain", "--json", "--kuma-dp-user", "0"], &to[..]].concat());
    assert_eq!((ran.code, lines(&ran)), (2, expected([["error", "--uid", "", "`7`"]])), "{ran:?}");
}

#[test]
fn a_warning_is_a_line_beside_what_is_printed() {
    let variables = BTreeMap::from([("KUMA_TRANSPARENT_PROXY_WAITT".to_owned(), "1".to_owned())]);
    let ran = run_with(&["tproxy", "config", "--json"], variables);
    assert_eq!(ran.code, 0, "{ran:?}");
    let found = expected([["warning", "", "", "KUMA_TRANSPARENT_PROXY_WAITT"]]);
    assert_eq!(lines(&ran), found, "{ran:?}");
}

#[test]
fn what_is_printed_with_origins_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.json").display().to_string();
    let printed = run(&["tproxy", "config", "--json", "--origin", "--exclude-outbound-ports", "22"]);
    std::fs::write(&path, &printed.out).unwrap();
    let again = run(&["tproxy", "config", "--json", "--config", &path]);
    let plain = run(&["tproxy", "config", "--json", "--exclude-outbound-ports", "22"]);
    assert_eq!((again.code, again.out), (0, plain.out), "{}", again.err);
    assert!(
        printed.out.contains("\"redirect.outbound.excludePorts\": \"--exclude-outbound-ports\""),
        "{printed:?}"
    );
}
