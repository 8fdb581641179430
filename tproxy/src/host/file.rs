//! Reads a file that a user names: a regular one, whole, and never waiting for anybody.
//!
//! Must never open what has an effect when opened, as a device or the end of a pipe may have.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is a directory, a pipe, a socket or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// It is larger than any file of its kind.
    #[error("it is larger than {0} KiB")]
    TooLarge(u64),
    /// The system says why.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The text of the file that `path` leads to, of at most `largest` bytes; what is not UTF-8 in it becomes a sign.
///
/// # Errors
/// The file is none, too large, or cannot be read.
pub(super) fn read(path: &Path, largest: u64) -> Result<String, FileError> {
    Ok(String::from_utf8_lossy(&bytes(path, largest)?).into_owned())
}

/// The contents of the file that `path` leads to, of at most `largest` bytes.
///
/// # Errors
/// The file is none, too large, or cannot be read.
pub(super) fn bytes(path: &Path, largest: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    open(path)?.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(FileError::TooLarge(largest >> 10));
    }
    Ok(bytes)
}

/// Looks before and after: opening has effects on some devices, and what is there may change in between.
fn open(path: &Path) -> Result<File, FileError> {
    let regular = |is_file: bool| if is_file { Ok(()) } else { Err(FileError::NotRegular) };
    regular(fs::metadata(path)?.is_file())?;
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    regular(file.metadata()?.is_file())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0)]
    #[case(9)]
    #[case(1023)]
    #[case(1024)]
    fn a_file_up_to_the_limit_is_read_whole(#[case] length: usize) {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("f"), directory.path().join("link"));
        fs::write(&path, "x".repeat(length)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [path, link] {
            assert_eq!(read(&path, 1024).unwrap().len(), length);
        }
    }

    #[test]
    fn a_larger_file_is_refused_and_not_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "x".repeat(1025)).unwrap();
        assert_eq!(read(&path, 1024).unwrap_err().to_string(), "it is larger than 1 KiB");
    }

    #[test]
    fn only_regular_files_are_read_and_nobody_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
        for path in [&pipe, &directory.path().join("socket"), directory.path(), Path::new("/dev/zero")] {
            assert!(matches!(read(path, 1024), Err(FileError::NotRegular)), "{}", path.display());
        }
        let missing = read(&directory.path().join("none"), 1024).unwrap_err();
        assert!(missing.to_string().starts_with("No such file or directory"), "{missing}");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, b"# caf\xe9\nnameserver 10.0.0.1\n").unwrap();
        assert_eq!(read(&path, 1024).unwrap(), "# caf\u{fffd}\nnameserver 10.0.0.1\n");
    }
}
