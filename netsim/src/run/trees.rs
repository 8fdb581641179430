//! What stands in a node's kernel settings and files, read by its own thread: a program for each would cost more than the
//! whole rest of a look.
//!
//! Must never follow a link, and never read what is not the node's own.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::node::{Node, NodeError};

/// Where a node has settings of its own, below /proc/sys/net. Those of conntrack appear when it is loaded.
const SETTINGS: [&str; 3] = ["core", "ipv4", "ipv6"];
/// Parts of names of what the kernel changes by itself.
const RESTLESS: [&str; 5] = ["stable_secret", "/neigh/", "tcp_fastopen_key", "random", "flush"];
/// Where tproxy could leave a file, or a pin.
const FOLDERS: [&str; 4] = ["/run", "/tmp", FIREWALLD, "/sys/fs/bpf"];
/// Where it changes files that are there.
const FIREWALLD: &str = "/etc/firewalld";
/// What netsim itself keeps, and the lock of iptables-legacy, which every such program leaves behind.
const NOT_ITS: [&str; 2] = ["/run/netsim", "/run/xtables.lock"];

/// The settings and files of a node, a line each.
pub(super) fn of(node: &Node) -> Result<Vec<String>, NodeError> {
    node.run(|| async {
        let mut lines = settings();
        lines.extend(files());
        lines
    })
}

fn settings() -> Vec<String> {
    let root = Path::new("/proc/sys/net");
    let mut lines = Vec::new();
    for path in SETTINGS.iter().flat_map(|part| below(&root.join(part))) {
        let name = path.to_string_lossy();
        if RESTLESS.iter().any(|part| name.contains(part)) || path.is_dir() {
            continue;
        }
        // Some can only be written.
        let Ok(value) = fs::read_to_string(&path) else { continue };
        let key = path.strip_prefix(root).unwrap_or(&path).display();
        lines.extend(value.lines().map(|value| format!("setting {key}: {value}")));
    }
    lines
}

fn files() -> Vec<String> {
    let found = FOLDERS.iter().flat_map(|folder| below(Path::new(folder)));
    let its = found.filter(|path| !NOT_ITS.iter().any(|other| path.to_string_lossy().starts_with(other)));
    let line = |path: PathBuf| match digest(&path) {
        Some(digest) => format!("file {} {digest:016x}", path.display()),
        None => format!("file {}", path.display()),
    };
    its.map(line).collect()
}

/// Of a file whose content counts.
fn digest(path: &Path) -> Option<u64> {
    let counts = path.starts_with(FIREWALLD) && path.is_file();
    let content = counts.then(|| fs::read(path).ok())??;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    Some(hasher.finish())
}

/// A folder and everything in it. What goes away meanwhile is not there.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = Vec::from([folder.to_owned()]);
    while let Some(path) = waiting.pop() {
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        } else if path.symlink_metadata().is_err() {
            continue;
        }
        found.push(path);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_a_folder_is_found_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
        let mut names: Vec<_> = below(folder.path())
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string())
            .collect();
        names.sort();
        assert_eq!(names, ["", "a", "a/b", "round"]);
        assert!(below(&folder.path().join("nothing")).is_empty());
    }
}
