//! The examples in the help of every verb work as they stand there.

use netsim::node::{Exit, Program};

use super::pod::Pod;

/// The names of all verbs, from the help itself.
fn verbs(pod: &Pod) -> Vec<String> {
    let help = pod.done("--help").stdout_text();
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // Descriptions go on in lines that are indented further.
    let names =
        listed.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.map(|line| line.split(' ').next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

/// The commands behind `Example:` or below `Example:` and `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let Some((_, behind)) = help.split_once("\nExample") else { return Vec::new() };
    let behind = behind.trim_start_matches('s').trim_start_matches(':');
    let lines = behind.split("\n\n").next().unwrap().lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_verb_has_an_example_that_works() {
    let Some(pod) = Pod::start() else { return };
    // What the examples take for granted: a configuration file, a directory of bash, and that something is installed.
    pod.node()
        .write_file("/etc/tproxy/config.yaml", "redirect: { outbound: { excludePorts: [22] } }\n")
        .unwrap();
    pod.sh("mkdir -p /etc/bash_completion.d");
    // A reader of pages, where the machine has none.
    pod.sh("command -v man || { printf '#!/bin/sh\nexec cat\n' >/run/netsim/bin/man; chmod +x /run/netsim/bin/man; }");
    pod.done("install");
    let verbs = verbs(&pod);
    assert!(verbs.len() >= 8, "{verbs:?}");
    for verb in std::iter::once("").chain(verbs.iter().map(String::as_str)) {
        let found = examples(&pod.done(&format!("{verb} --help")).stdout_text());
        assert!(!found.is_empty(), "`tproxy {verb} --help` has no example");
        for example in found {
            assert!(example.contains("tproxy "), "`{example}` is no example");
            // A pager, or another reader, fails by itself only.
            let script = format!("set -o pipefail; {example}");
            let finished = Program::new("bash").args(["-c", &script]).run(pod.node()).unwrap();
            assert_eq!(finished.exit, Exit::Code(0), "`{example}`: {finished}");
        }
    }
}

#[test]
fn the_examples_of_kumactl_work_too() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("ln -s \"$(command -v tproxy)\" /run/netsim/bin/kumactl");
    for command in [
        "",
        "install transparent-proxy",
        "install transparent-proxy-validator",
        "uninstall transparent-proxy",
    ] {
        let found = examples(&pod.sh(&format!("kumactl {command} --help")));
        assert!(!found.is_empty(), "`kumactl {command} --help` has no example");
        for example in found {
            assert!(example.contains("kumactl "), "`{example}` is no example");
            pod.sh(&example);
        }
    }
}

#[test]
fn examples_are_found_in_every_form() {
    assert_eq!(examples("x\n\nExample: a b\n\nmore"), ["a b"]);
    assert_eq!(examples("x\n\nExample:\n  a\n"), ["a"]);
    assert_eq!(examples("x\n\nExamples:\n  a\n  b\n\nEvery"), ["a", "b"]);
    assert!(examples("x\n").is_empty());
}
