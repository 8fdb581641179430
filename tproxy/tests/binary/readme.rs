//! The README's examples work as they stand there.

use super::pod::Pod;

const README: &str = include_str!("../../../README.md");

/// The lines of the README's shell blocks that run tproxy, with continuation lines joined, prompts removed.
fn examples() -> Vec<String> {
    let blocks = README.split("```").skip(1).step_by(2).filter(|block| block.starts_with("console\n"));
    let joined = blocks.map(|block| block.replace("\\\n", " ")).collect::<Vec<_>>().join("\n");
    let commands = joined.lines().filter_map(|line| line.strip_prefix("# ").or(line.strip_prefix("$ ")));
    commands.filter(|command| command.starts_with("tproxy ")).map(str::to_owned).collect()
}

#[test]
fn every_tproxy_command_of_the_readme_succeeds() {
    let Some(pod) = Pod::start() else { return };
    let examples = examples();
    assert!(examples.len() >= 4, "{examples:?}");
    pod.node()
        .write_file("/etc/tproxy/config.yaml", "redirect: { outbound: { excludePorts: [22] } }\n")
        .unwrap();
    for example in examples {
        let output = pod.sh(&example);
        assert!(!output.trim().is_empty(), "`{example}` printed nothing");
    }
}

#[test]
fn the_explain_example_prints_what_the_readme_shows() {
    let Some(pod) = Pod::start() else { return };
    let example = examples().into_iter().find(|example| example.starts_with("tproxy explain")).unwrap();
    let printed = pod.sh(&example);
    assert!(README.contains(printed.trim_end()), "`{example}` prints:\n{printed}");
}

#[test]
fn the_configuration_of_the_readme_is_read_and_explained() {
    let blocks: Vec<&str> =
        README.split("```").skip(1).step_by(2).filter_map(|b| b.strip_prefix("yaml\n")).collect();
    assert_eq!(blocks.len(), 1);
    let Some(pod) = Pod::start() else { return };
    pod.node().write_file("/etc/tproxy/config.yaml", blocks.concat()).unwrap();
    let printed = pod.sh("tproxy config --config /etc/tproxy/config.yaml --origin");
    assert!(printed.contains("excludePortsForUIDs:  # /etc/tproxy/config.yaml:"), "{printed}");
    let matrix = pod.sh("tproxy explain --matrix --config /etc/tproxy/config.yaml");
    assert!(matrix.contains("outbound/exclusion"), "{matrix}");
}
