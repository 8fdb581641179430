//! The tproxy binary that tests of netsim prove.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The tproxy binary of the sources as they are. Cargo knows of no binary of another package, so that this looks itself.
pub(crate) fn tproxy() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let current = || {
        // This program is target/PROFILE/deps/NAME-…: the binary lies a folder up.
        let me = std::env::current_exe().unwrap();
        let folder = me.parent().and_then(Path::parent).unwrap();
        let binary = folder.join("tproxy");
        if !is_newer_than_its_sources(&binary) {
            build(folder);
        }
        binary
    };
    BUILT.get_or_init(current).clone()
}

/// Cargo writes no list of a binary's sources when it builds tests: all of the package counts.
fn is_newer_than_its_sources(binary: &Path) -> bool {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = ["Cargo.toml", "Cargo.lock", "tproxy/Cargo.toml", "tproxy/src"].map(|path| root.join(path));
    let built = modified(binary);
    built.is_some() && sources.iter().flat_map(|path| files(path)).all(|source| modified(&source) <= built)
}

fn files(path: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flat_map(|entry| files(&entry.unwrap().path())).collect(),
        Err(_) => vec![path.to_owned()],
    }
}

fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package=tproxy", "--bin=tproxy", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", folder.parent().unwrap())
        .status()
        .unwrap();
    assert!(built.success(), "tproxy cannot be built");
}
