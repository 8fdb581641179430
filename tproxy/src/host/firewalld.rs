//! firewalld's direct configuration as it stands on this host.
//!
//! Must never read more of it than the text: what it means is the part of the `firewalld` module.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::FileError;
use super::file;
use crate::firewalld::{DIRECTORY, FILE};

/// The file of firewalld's direct configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectReadError {
    /// It is no regular file, too large, or may not be read.
    #[error("cannot read {FILE}: {0}")]
    Unreadable(#[from] FileError),
    /// It is not UTF-8.
    #[error("cannot read {FILE}: it is not UTF-8 text")]
    NotText,
    /// It is a symbolic link to what is not there.
    #[error("{FILE} is a symbolic link that leads nowhere; remove it, or make the file that it names")]
    Dangling,
}

impl DirectReadError {
    /// Whether there is no file behind its name.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Dangling)
    }

    /// Whether it is only this user that may not read it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Unreadable(FileError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Whether firewalld is configured on this host.
#[must_use]
pub fn is_configured() -> bool {
    Path::new(DIRECTORY).is_dir()
}

/// The path of the file and its text, which is `None` where there is none. Symbolic links are followed, as firewalld
/// follows them when it writes.
///
/// # Errors
/// Something else than a text is there.
pub fn direct() -> Result<(PathBuf, Option<String>), DirectReadError> {
    /// In bytes: twenty times what ten thousand exclusions take.
    const LARGEST: u64 = 64 << 20;
    let path = match fs::canonicalize(FILE) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_there = fs::symlink_metadata(FILE).is_ok();
            return if is_there { Err(DirectReadError::Dangling) } else { Ok((PathBuf::from(FILE), None)) };
        }
        Err(error) => return Err(DirectReadError::Unreadable(error.into())),
    };
    let bytes = file::bytes(&path, LARGEST)?;
    let text = String::from_utf8(bytes).map_err(|_| DirectReadError::NotText)?;
    Ok((path, Some(text)))
}
