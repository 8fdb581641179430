//! One run at a time in a directory of pins, from whatever network namespace.
//!
//! Taken after the lock of the network namespace, never before. It ends with the process.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::linux::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::EbpfError;

/// How long another run is waited for: what it does here takes some hundredths of a second.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing tells when it is done.
const AGAIN: Duration = Duration::from_millis(5);

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _directory: File,
}

impl Lock {
    /// That of `directory`, which is made where `makes` says so; `None` where there is none.
    pub(super) fn take(directory: &Path, makes: bool) -> Result<Option<Self>, EbpfError> {
        let failed = |what| move |error| EbpfError::File { what, path: directory.to_owned(), error };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if makes
                && let Err(error) = fs::create_dir(directory)
                && error.kind() != ErrorKind::AlreadyExists
            {
                return Err(failed("make")(error));
            }
            let handle = match File::open(directory) {
                Ok(handle) => handle,
                Err(error) if error.kind() == ErrorKind::NotFound && !makes => return Ok(None),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("open")(error)),
            };
            match handle.try_lock() {
                // Whoever had it may have removed the directory.
                Ok(()) if is_still(directory, &handle) => return Ok(Some(Self { _directory: handle })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(AGAIN),
                Err(TryLockError::WouldBlock) => {
                    return Err(EbpfError::Busy { path: directory.to_owned(), waited: PATIENCE });
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
            }
        }
    }
}

fn is_still(directory: &Path, handle: &File) -> bool {
    match (fs::metadata(directory), handle.metadata()) {
        (Ok(there), Ok(held)) => (there.st_dev(), there.st_ino()) == (held.st_dev(), held.st_ino()),
        _ => false,
    }
}
