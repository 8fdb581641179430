//! The pure modules stay pure: none of their files names the file system, processes, the environment or netlink.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files (below src/) whose code must be a function of its input.
const PURE: &[&str] =
    &["config", "plan", "iptables", "apply/change.rs", "backend/mod.rs", "diagnostic.rs", "family.rs"];

/// What gives an effect away.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::io",
    "nix::",
    "libc::",
    "netlink",
    "aya",
    "crate::process",
    "println!",
    "eprintln!",
];

fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files: Vec<PathBuf> = entries.flat_map(|entry| rust_files(&entry.unwrap().path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// The effects that a text names, outside of comments. `env!` is the compiler's, not the environment.
fn effects(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| {
        let found = IMPURE.iter().filter(move |word| line.contains(**word));
        found.map(move |word| format!("{word} in `{}`", line.trim()))
    })
    .collect()
}

#[test]
fn pure_modules_name_no_effect() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in PURE {
        for file in rust_files(&source.join(path)) {
            let found = effects(&fs::read_to_string(&file).unwrap());
            assert!(found.is_empty(), "{} is not pure: {found:?}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} files were looked at: has the layout changed?");
}

#[test]
fn the_check_itself_can_fail() {
    assert_eq!(effects("// std::fs\nuse std::fs::File;").len(), 1);
    assert_eq!(effects("let x = std::env::var(\"X\");").len(), 1);
    assert!(effects("let x = env!(\"X\");").is_empty());
}
