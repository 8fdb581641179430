//! tproxy is started through the launcher only: no test, bench or script runs the binary where it was started.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders, from the repository's root, whose files start programs.
const PLACES: [&str; 6] = ["tproxy/tests", "netsim/tests", "netsim/src", "benches", "ci", ".ci"];
/// Files that may name the binary: the one that hands its path to the launcher, and this one.
const EXCEPTIONS: [&str; 2] = ["tproxy/tests/binary/pod.rs", "tproxy/tests/launcher.rs"];

fn files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What was printed, which starts nothing.
fn is_transcript(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "txt" || extension == "snap")
}

/// The lines of a text that start tproxy by another way.
fn stray_starts(text: &str) -> Vec<&str> {
    let spelt = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let names_the_binary = ["CARGO_BIN_EXE_tproxy", "debug/tproxy ", "release/tproxy "];
    let starts_it = ["Command::new(\"tproxy", "Command::new(tproxy", "Command::new(&tproxy", ".tproxy)"];
    text.lines()
        .filter(|line| {
            let code = line.trim_start();
            let verbs = ["tproxy install", "tproxy uninstall", "exec tproxy"];
            let in_shell = verbs.iter().any(|verb| code.starts_with(verb));
            in_shell
                || spelt(code, &names_the_binary)
                || (code.contains("Command::new") && spelt(code, &starts_it))
        })
        .collect()
}

#[test]
fn nothing_starts_tproxy_but_the_launcher() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for file in PLACES.iter().flat_map(|place| files(&root.join(place))) {
        if EXCEPTIONS.iter().any(|exception| file.ends_with(exception)) || is_transcript(&file) {
            continue;
        }
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let found = stray_starts(&text);
        assert!(found.is_empty(), "{} starts tproxy itself: {found:?}", file.display());
        seen += 1;
    }
    assert!(seen > 40, "only {seen} files were looked at: has the layout changed?");
}

#[test]
fn the_check_itself_can_fail() {
    for stray in
        ["let c = Command::new(\"tproxy\");", "  exec tproxy install", "./target/debug/tproxy install"]
    {
        assert_eq!(stray_starts(stray).len(), 1, "{stray}");
    }
    assert!(stray_starts("Program::new(\"tproxy\").arg(\"install\")").is_empty());
}
