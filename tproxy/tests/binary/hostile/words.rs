//! Single values: words of a megabyte, commands for shells, commands for terminals.

use super::super::pod::Pod;
use super::{config, run};
use tproxy::config::{Layers, settings};

#[test]
fn a_word_of_a_megabyte_is_refused_in_a_few_lines() {
    let Some(pod) = Pod::start() else { return };
    let long = "x".repeat(1 << 20);
    for key in settings::all().map(|setting| setting.key) {
        // Anything may be the name of a variable.
        if key == "ebpf.instanceIPEnvVarName" {
            continue;
        }
        config(&pod, format!("{key}: \"{long}\"")).refused("xxx…");
    }
    config(&pod, format!("? \"{long}\"\n: 1\n")).refused("is not a known key");
    config(&pod, format!("redirect: {{dns: {{resolvConfigPath: \"/{long}\"}}}}"))
        .refused("is longer than 4095 bytes");
    config(&pod, format!("wait: {}", "9".repeat(1 << 20))).refused("error: ");
    config(&pod, format!("wait: 1.{}", "9".repeat(1 << 20))).refused("error: ");
}

#[test]
fn a_long_word_of_the_command_line_is_repeated_in_part_only() {
    let Some(pod) = Pod::start() else { return };
    let long = "x".repeat(100_000);
    for flag in settings::all()
        .filter(|setting| setting.key != "ebpf.instanceIPEnvVarName")
        .filter_map(|setting| setting.flag)
    {
        run(&pod, ["config", &format!("--{flag}={long}")]).refused(&format!("--{flag}: "));
    }
    run(&pod, ["config", "--config", &long]).refused("cannot be read");
    run(&pod, ["config", &format!("--{long}")]).refused("unexpected argument");
    run(&pod, ["explain", "--direction", &long, "--to", "10.0.0.1:80"]).refused("invalid value");
    run(&pod, [&long]).refused("unrecognized subcommand");
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_it() {
    let Some(pod) = Pod::start() else { return };
    for command in ["\u{1b}[31m", "\u{1b}]0;title\u{7}", "\u{9b}31m", "\u{7f}", "\r", "\u{202e}x", "\u{8}"] {
        let flags: Vec<&str> = settings::all().filter_map(|setting| setting.flag).collect();
        // No more at a time than are shown.
        for few in flags.chunks(15) {
            let values = few.iter().map(|flag| format!("--{flag}={command}"));
            run(&pod, ["config".to_owned()].into_iter().chain(values)).refused("error: ");
        }
        run(&pod, ["config", "--config", &format!("/{command}")]).refused("cannot be read");
        run(&pod, ["config", command]).refused("error: ");
        for content in
            [format!("{command}: 1\n"), format!("wait: {command}\n"), format!("wait: x # {command}\n")]
        {
            config(&pod, content).refused("error: ");
        }
    }
    for escaped in ["\\e[31m", "\\a", "\\x7f", "\\N", "\\u009b31m", "\\u202ex"] {
        config(&pod, format!("\"{escaped}\": 1\n")).refused("is not a known key");
        config(&pod, format!("wait: \"{escaped}\"\n")).refused("is not a whole number");
        config(&pod, format!("redirect: {{vnet: {{networks: [\"x{escaped}\"]}}}}")).refused("has no network");
    }
    config(&pod, "redirect: {dns: {resolvConfigPath: \"/\\e[31m\"}}").refused("has control characters");
    let name = "/run/\u{1b}[31mname\n\u{9b}";
    pod.node().write_file(name, "wait: 3\n").unwrap();
    let origins = run(&pod, ["config", "--origin", "--config", name]).done();
    assert!(
        !origins.contains('\u{1b}') && origins.contains("wait: 3  # /run/\\u{1b}[31mname\\n\\u{9b}:1"),
        "{origins}"
    );
    pod.node().write_file("/run/again.yaml", origins).unwrap();
    assert!(run(&pod, ["config", "--config", "/run/again.yaml"]).done().contains("wait: 3"));
}

/// Prints the files that the commands would have made, had a shell seen them.
const NO_TRACE: &str = "find / -xdev -maxdepth 2 -name pwned; find /run /tmp -name pwned";

/// What a shell would run, and what would end a line of a restore text.
const COMMANDS: [&str; 6] = [
    "$(touch /run/pwned)",
    "`touch /run/pwned`",
    "x;touch /run/pwned;",
    "x|touch /run/pwned",
    "x\n-F OUTPUT\nCOMMIT",
    "x\" -j ACCEPT\n*filter",
];

/// The command lines with a command in some option that are taken as valid.
fn accepted() -> Vec<[String; 2]> {
    let mut found = Vec::new();
    for command in COMMANDS {
        for value in ["", "/", "iptables:/", "10.0.0.0/8,"].map(|before| format!("{before}{command}")) {
            for setting in settings::all() {
                let line = format!("{}: {}\n", setting.key, serde_json::to_string(&value).unwrap());
                if Layers::default().file("f", line.as_str()).resolve().is_ok() {
                    found.push([
                        line,
                        setting.flag.map_or_else(String::new, |flag| format!("--{flag}={value}")),
                    ]);
                }
            }
        }
    }
    found
}

#[test]
fn no_value_reaches_a_shell_or_breaks_a_restore_text() {
    let Some(pod) = Pod::start() else { return };
    let accepted = accepted();
    assert!(accepted.len() >= 20, "only {} of the values are valid: is this still a test?", accepted.len());
    for [line, flag] in accepted {
        pod.node().write_file("/run/command.yaml", line).unwrap();
        let file = ["install", "--dry-run", "--config", "/run/command.yaml"].map(str::to_owned);
        assert_restore_text(&run(&pod, file).printed());
        if !flag.is_empty() {
            assert_restore_text(&run(&pod, ["install", "--dry-run", &flag]).printed());
        }
    }
    assert_eq!(pod.sh(NO_TRACE), "");
}

/// Every line is one that tproxy writes.
fn assert_restore_text(text: &str) {
    let known = ["#", "*nat", ":KUMA_MESH_", "-A KUMA_MESH_", "-A PREROUTING ", "-A OUTPUT ", "COMMIT"];
    for line in text.lines().filter(|line| !line.is_empty()) {
        assert!(known.iter().any(|known| line.starts_with(known)), "`{line}` in:\n{text}");
    }
}

#[test]
fn programs_at_a_path_full_of_commands_are_run_as_they_are() {
    let Some(pod) = Pod::start() else { return };
    let folder = "/run/a b;$(touch pwned)`touch pwned`'\"";
    pod.sh(r#"d='/run/a b;$(touch pwned)`touch pwned`'"'"'"'; mkdir "$d" && cp -P /usr/sbin/iptables-nft* /usr/sbin/xtables-nft-multi "$d""#);
    let programs = format!(
        "iptables:{folder}/iptables-nft,iptables-save:{folder}/iptables-nft-save,iptables-restore:{folder}/iptables-nft-restore"
    );
    let install = ["install", "--ip-family-mode=ipv4", "--iptables-executables", &programs];
    run(&pod, install).done();
    assert!(pod.state().contains("KUMA_MESH_OUTBOUND"));
    run(&pod, ["uninstall"]).done();
    assert!(!pod.state().contains("KUMA_MESH"));
    assert_eq!(pod.sh(NO_TRACE), "");
}
