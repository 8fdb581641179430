//! Writing files inside a node. Never a file of the machine: only below the directories that are the node's own.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use super::error::SetupError;
use super::forks;

/// What a node has of its own.
const OWN: [&str; 3] = ["/run", "/tmp", "/etc"];

/// Writes a file, with the directories above it, replacing what was there.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), SetupError> {
    check(path)?;
    let failed = |source| SetupError::File { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        if through_symlink(directory) {
            return Err(SetupError::Foreign { path: path.to_owned() });
        }
        fs::create_dir_all(directory).map_err(failed)?;
    }
    replace(path, contents).map_err(failed)?;
    // A script that a child in flight still holds open for writing could not be run: "text file busy".
    forks::settle();
    Ok(())
}

/// Whether a path is below one of the node's own directories.
pub(crate) fn check(path: &Path) -> Result<(), SetupError> {
    let plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let own = OWN.iter().any(|own| path.strip_prefix(own).is_ok_and(|rest| rest.file_name().is_some()));
    if plain && own { Ok(()) } else { Err(SetupError::Foreign { path: path.to_owned() }) }
}

/// A symbolic link on the way could lead out of the node, as many in /etc do.
fn through_symlink(directory: &Path) -> bool {
    directory.ancestors().any(Path::is_symlink)
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nodes_own_directories_are_accepted() {
        assert!(check(Path::new("/run/web/index.html")).is_ok());
        for path in ["/root/x", "/run/../root/x", "/run", "run/x", "/var/run/x", "/etc/../x", "/runx/y"] {
            assert!(check(Path::new(path)).is_err(), "{path}");
        }
    }
}
