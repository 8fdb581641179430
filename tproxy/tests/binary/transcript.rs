//! Sessions at a shell in a pod, written down with everything that was printed, and played again.
//!
//! A line that begins with `$ ` is a command of root, `app$ ` and `sidecar$ ` of those users; what it prints follows:
//! standard output as it is, standard error behind `2> `, and an exit code that is not 0 as `exit N`. `//` begins a
//! remark. Digests are numbered in the order of their appearance, and versions are left out: both change with the
//! program. `SNAPSHOTS=overwrite` writes anew what is printed now.

use std::path::Path;

use netsim::node::{Exit, Finished, Identity, Program};
use rstest::rstest;
use snapbox::Data;

use super::pod::{APP, Pod};

/// The user kuma-dp of every pod.
const SIDECAR: Identity = Identity::new(5678, 5678);

/// Who types a line, and what; nothing for a line that is no command.
fn command(line: &str) -> Option<(Identity, &str)> {
    let prompts = [("$ ", Identity::ROOT), ("app$ ", APP), ("sidecar$ ", SIDECAR)];
    prompts.into_iter().find_map(|(prompt, who)| Some((who, line.strip_prefix(prompt)?)))
}

fn printed(finished: &Finished) -> String {
    let mut text = finished.stdout_text();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in finished.stderr_text().lines() {
        text.push_str(&format!("2> {line}\n"));
    }
    match finished.exit {
        Exit::Code(0) => {}
        Exit::Code(code) => text.push_str(&format!("exit {code}\n")),
        other => text.push_str(&format!("{other:?}\n")),
    }
    text
}

/// Texts that change with the program, each by a name that does not.
fn lasting(text: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = text.to_owned();
    for name in ["tproxy", "kumactl"] {
        text = text.replace(&format!("{name} {version}"), &format!("{name} VERSION"));
    }
    let words: Vec<String> = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect();
    let is_digest =
        |word: &&String| word.len() == 16 && word.bytes().all(|b| b"0123456789abcdef".contains(&b));
    let mut digests: Vec<&String> = Vec::new();
    for digest in words.iter().filter(is_digest) {
        if !digests.contains(&digest) {
            digests.push(digest);
            text = text.replace(digest.as_str(), &format!("DIGEST-{}", digests.len()));
        }
    }
    text
}

/// Types every command of a session in a fresh pod, and writes the session down.
fn play(session: &str, pod: &Pod) -> String {
    let mut written = String::new();
    for line in session.lines() {
        if line.starts_with("// ") {
            written.push_str(&format!("{line}\n"));
        }
        if let Some((who, command)) = command(line) {
            let finished = Program::new("sh").args(["-c", command]).identity(who).run(pod.node()).unwrap();
            written.push_str(&format!("{line}\n{}\n", printed(&finished)));
        }
    }
    written
}

#[rstest]
#[case::help("help")]
#[case::help_install("help_install")]
#[case::help_explain("help_explain")]
#[case::help_config("help_config")]
#[case::usage("usage")]
#[case::standard_input("standard_input")]
#[case::dry_run("dry_run")]
#[case::explain("explain")]
#[case::kumactl_help("kumactl_help")]
#[case::kumactl_manners("kumactl_manners")]
#[case::kumactl_installs("kumactl_installs")]
#[case::status("status")]
fn a_session_prints_what_is_written_down(#[case] name: &str) {
    let Some(pod) = Pod::start() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/binary/transcripts/{name}.txt"));
    let session = std::fs::read_to_string(&path).unwrap();
    // A backslash is the shell's, no path's.
    let assert = snapbox::Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
    assert.eq(lasting(&play(&session, &pod)), Data::read_from(&path, None));
}

/// A session without a command would be right whatever is printed.
#[test]
fn every_session_has_commands_and_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/binary/transcripts");
    let cases = include_str!("transcript.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let session = std::fs::read_to_string(&path).unwrap();
        assert!(session.lines().any(|line| command(line).is_some()), "{} has no command", path.display());
        let name = path.file_stem().unwrap().to_string_lossy();
        assert!(cases.contains(&format!("#[case::{name}(\"{name}\")]")), "{} is not played", path.display());
    }
}
