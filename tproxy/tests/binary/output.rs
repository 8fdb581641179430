//! What becomes of printed text: colours on terminals alone, output that cannot be written, pages and completions.

use netsim::node::{Exit, Finished, Program};
use rstest::rstest;
use serde_json::Value;

use super::pod::Pod;

/// Runs a command with a terminal as the one stream and a pipe as the other, and says how each of them looks.
const TERMINAL: &str = r#"
import os, pty, subprocess, sys
terminal, piped = ("stdout", "stderr") if sys.argv[1] == "stdout" else ("stderr", "stdout")
master, slave = pty.openpty()
streams = {terminal: slave, piped: subprocess.PIPE}
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, **streams)
os.close(slave)
shown = b""
try:
    while part := os.read(master, 65536):
        shown += part
except OSError:
    pass  # the end of a terminal
looks = {terminal: shown, piped: b"".join(part or b"" for part in child.communicate())}
for stream in ("stdout", "stderr"):
    text = looks[stream]
    print(stream, "coloured" if b"\x1b[" in text else "plain" if text else "nothing")
"#;

/// Whether there are colours on standard output and on standard error, one of which is a terminal.
fn looks(pod: &Pod, terminal: &str, variables: &[(&str, &str)], command: &[&str]) -> String {
    let arguments = [&["-c", TERMINAL, terminal], command].concat();
    let program = Program::new("python3").args(arguments);
    let program = variables.iter().fold(program, |program, (name, value)| program.env(name, *value));
    let finished = program.run(pod.node()).unwrap();
    assert!(finished.success(), "{finished}");
    finished.stdout_text()
}

#[test]
fn each_stream_has_colours_where_it_is_a_terminal_itself() {
    let Some(pod) = Pod::start() else { return };
    let help = ["tproxy", "--help"];
    assert_eq!(looks(&pod, "stdout", &[], &help), "stdout coloured\nstderr nothing\n");
    assert_eq!(looks(&pod, "stderr", &[], &help), "stdout plain\nstderr nothing\n");
    for wrong in [&["tproxy", "instal"][..], &["tproxy", "config", "--wait", "soon"]] {
        assert_eq!(looks(&pod, "stderr", &[], wrong), "stdout nothing\nstderr coloured\n");
        assert_eq!(looks(&pod, "stdout", &[], wrong), "stdout nothing\nstderr plain\n");
    }
}

#[test]
fn no_color_turns_colours_off_unless_it_is_empty() {
    let Some(pod) = Pod::start() else { return };
    for (value, look) in [("1", "plain"), ("0", "plain"), ("", "coloured")] {
        let variables = [("NO_COLOR", value)];
        let help = looks(&pod, "stdout", &variables, &["tproxy", "--help"]);
        assert_eq!(help, format!("stdout {look}\nstderr nothing\n"), "`{value}`");
        for wrong in [&["tproxy", "instal"][..], &["tproxy", "config", "--wait", "soon"]] {
            let said = looks(&pod, "stderr", &variables, wrong);
            assert_eq!(said, format!("stdout nothing\nstderr {look}\n"), "`{value}`");
        }
    }
}

/// What every verb that prints is asked for.
const PRINTING: [&str; 12] = [
    "--help",
    "--version",
    "install --help",
    "man",
    "man install",
    "completions bash",
    "config",
    "config --json",
    "status",
    "explain --matrix",
    "check",
    "install --dry-run",
];

/// Every key in a value, at whatever depth.
fn keys(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| std::iter::once(key.as_str()).chain(keys(value))).collect()
        }
        Value::Array(items) => items.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn with_json_a_verb_prints_one_object_with_keys_in_camel_case() {
    let Some(pod) = Pod::start() else { return };
    for command in [
        "install --dry-run",
        "install --confirm-within 600s",
        "status",
        "confirm",
        "install",
        "check --redirect-dns",
        "explain --matrix",
        "explain --direction outbound --to 203.0.113.1:80",
        "config",
        "config --origin",
        "uninstall --dry-run",
        "uninstall",
        "status",
    ] {
        let finished = pod.tproxy(&format!("--json {command}"));
        let printed: Value = serde_json::from_str(&finished.stdout_text())
            .unwrap_or_else(|error| panic!("{command}: {error}: {finished}"));
        assert!(printed.is_object(), "{command}: {printed}");
        for key in keys(&printed) {
            // The configuration has programs by their names.
            let key = key.trim_end_matches("-save").trim_end_matches("-restore");
            // A dot parts the keys of a configuration that stand in one another.
            let is_camel = key.starts_with(|c: char| c.is_ascii_lowercase())
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
            assert!(is_camel, "{command}: `{key}` in {printed}");
        }
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_said() {
    let Some(pod) = Pod::start() else { return };
    for command in PRINTING {
        let finished = shell(&pod, &format!("tproxy {command} >/dev/full"));
        assert_eq!(finished.exit, Exit::Code(1), "{command}: {finished}");
        let said = finished.stderr_text();
        let sentence = "cannot print: No space left on device";
        let expected = match command.contains("--json") {
            true => format!("{{\"level\":\"error\",\"message\":\"{sentence}\"}}\n"),
            false => format!("error: {sentence}\n"),
        };
        assert_eq!(said, expected, "{command}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let Some(pod) = Pod::start() else { return };
    let script = "import os, subprocess, sys; reading, writing = os.pipe(); os.close(reading); \
                  sys.exit(subprocess.call(sys.argv[1:], stdout=writing))";
    for command in PRINTING {
        let words = std::iter::once("tproxy").chain(command.split(' '));
        let program = Program::new("python3").args(["-c", script].into_iter().chain(words));
        let finished = program.run(pod.node()).unwrap();
        assert_eq!((&finished.exit, finished.stderr_text().as_str()), (&Exit::Code(0), ""), "{command}");
    }
}

fn shell(pod: &Pod, script: &str) -> Finished {
    Program::new("sh").args(["-c", script]).run(pod.node()).unwrap()
}

#[test]
fn the_page_of_tproxy_lists_every_verb_and_says_how_to_read_its_page() {
    let Some(pod) = Pod::start() else { return };
    let page = pod.done("man").stdout_text();
    for verb in ["install", "uninstall", "explain", "status", "check", "config", "validate", "man"] {
        assert!(page.contains(&format!("tproxy\\-{verb}(1)")), "{verb} is not in {page}");
    }
    assert!(page.contains("tproxy man VERB") && !page.contains("tproxy\\-help"), "{page}");
}

#[test]
fn every_page_has_the_version_below_it() {
    let Some(pod) = Pod::start() else { return };
    let version = format!("\"tproxy {}\"", env!("CARGO_PKG_VERSION"));
    for (command, title) in [("man", "tproxy"), ("man install", "tproxy-install")] {
        let page = pod.done(command).stdout_text();
        let header = page.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert_eq!(header.split_whitespace().nth(1), Some(title), "{header}");
        assert!(header.contains(&version), "{header}");
    }
}

#[test]
fn all_pages_are_written_into_a_directory_that_is_there() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("mkdir /run/pages");
    assert_eq!(pod.done("man --output-dir /run/pages").stdout_text(), "");
    let pages = pod.sh("cd /run/pages; ls");
    assert!(pages.lines().count() >= 10 && pages.contains("tproxy.1\n"), "{pages}");
    assert_eq!(pod.sh("cat /run/pages/tproxy-install.1"), pod.done("man install").stdout_text());
    let refused = pod.tproxy("man --output-dir /run/nowhere");
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    let said = refused.stderr_text();
    assert!(said.contains("/run/nowhere/tproxy") && said.contains("--output-dir"), "{said}");
}

#[rstest]
fn completions_offer_what_help_shows_only(
    #[values("bash", "elvish", "fish", "powershell", "zsh")] shell: &str,
) {
    let Some(pod) = Pod::start() else { return };
    let script = pod.done(&format!("completions {shell}")).stdout_text();
    for offered in
        ["exclude-inbound-ports", "kuma-dp-user", "dry-run", "matrix", "origin", "uninstall", "version"]
    {
        assert!(script.contains(offered), "{shell} does not offer {offered}");
    }
    for old in ["kuma-dp-uid", "config-file", "skip-resolv-conf", "redirect-inbound-port-v6", "kuma-cp-ip"] {
        assert!(!script.contains(old), "{shell} offers {old}");
    }
}

#[test]
fn the_completions_of_bash_are_run() {
    let Some(pod) = Pod::start() else { return };
    let script = "eval \"$(tproxy completions bash)\"; COMP_WORDS=(tproxy check --exclude-inb); COMP_CWORD=2; \
                  _tproxy tproxy --exclude-inb check; echo \"${COMPREPLY[@]}\"";
    let finished = Program::new("bash").args(["-c", script]).run(pod.node()).unwrap();
    let offered = finished.stdout_text();
    assert_eq!(
        offered, "--exclude-inbound-ports --exclude-inbound-ips --exclude-inbound-interfaces\n",
        "{finished}"
    );
}
