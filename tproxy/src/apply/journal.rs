//! The journal: what tproxy did in a network namespace, so that the next run can undo or complete it.
//!
//! One JSON file per namespace in [`DIRECTORY`], replaced atomically. It is a help, not the truth: rules are recognised
//! without it, and a record of another boot does not count. Must never be needed to uninstall.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::{FORMAT, Record};
use crate::host::{HostError, netns};

/// Where records are kept. A tmpfs on common systems, so that they end with the boot.
pub const DIRECTORY: &str = "/run/tproxy";

/// The journal's file for this network namespace.
#[derive(Debug, Clone)]
pub struct Journal {
    file: PathBuf,
}

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal {file} cannot be {what}: {error}")]
pub struct JournalError {
    file: PathBuf,
    what: &'static str,
    error: io::Error,
}

impl Journal {
    /// The journal in `directory` of the calling thread's network namespace.
    ///
    /// # Errors
    /// The namespace cannot be told.
    pub fn of_this_namespace(directory: &Path) -> Result<Self, HostError> {
        Ok(Self { file: directory.join(netns::record_name()?).with_extension("json") })
    }

    /// The record, if there is one of this boot and format.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn read(&self) -> Result<Option<Record>, JournalError> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        let boot_id = netns::boot_id().ok();
        let record = serde_json::from_str::<Record>(&text).ok();
        Ok(record.filter(|record| record.format == FORMAT && Some(&record.boot_id) == boot_id.as_ref()))
    }

    /// Replaces the record in one step.
    ///
    /// # Errors
    /// The directory cannot be written, for instance on a read-only root.
    pub fn write(&self, record: &Record) -> Result<(), JournalError> {
        let text = serde_json::to_string_pretty(record).map_err(io::Error::from);
        let written = text.and_then(|text| replace(&self.file, &text));
        written.map_err(|error| self.failed("written", error))?;
        // What is installed now is no question of an earlier return; without the word less is told, and nothing is wrong.
        let _ = fs::remove_file(self.word());
        Ok(())
    }

    /// Removes the record, and the directory with the last one.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn remove(&self) -> Result<(), JournalError> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("removed", error));
            }
            _ => {}
        }
        let _ = self.take_return();
        Ok(())
    }

    /// Leaves word that the state before an installation was returned because nobody confirmed it in time, for whoever
    /// tries to confirm it later.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn note_return(&self) -> Result<(), JournalError> {
        let boot_id = netns::boot_id().map_err(io::Error::other);
        let noted = boot_id.and_then(|boot_id| replace(&self.word(), &boot_id));
        noted.map_err(|error| self.failed("written", error))
    }

    /// Whether there was such word, of this boot; it is told once.
    #[must_use]
    pub fn take_return(&self) -> bool {
        let word = fs::read_to_string(self.word()).ok();
        // A word that stays is told again.
        let _ = fs::remove_file(self.word());
        // Fails while there are records in it, of this or other namespaces, which is right.
        if let Some(directory) = self.file.parent() {
            let _ = fs::remove_dir(directory);
        }
        word.is_some() && word == netns::boot_id().ok()
    }

    fn word(&self) -> PathBuf {
        self.file.with_extension("returned")
    }

    fn failed(&self, what: &'static str, error: io::Error) -> JournalError {
        JournalError { file: self.file.clone(), what, error }
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let draft = path.with_extension("draft");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path).inspect_err(|_| {
        // It is not written, and that is the error; a draft must not stay beside it.
        let _ = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    use super::super::change::{Change, LoopbackAddress};
    use super::super::record::Run;
    use super::*;
    use crate::family::IpFamily;

    fn record(changes: &[Change], before: Option<&Record>) -> Record {
        let boot_id = netns::boot_id().unwrap();
        let configuration = serde_json::Value::Null;
        Record::applying(
            Run {
                boot_id: &boot_id,
                backend: "iptables-nft",
                digest: 7,
                configuration,
                rules: Vec::new(),
                comments: true,
                changes,
            },
            before,
        )
    }

    #[test]
    fn a_record_is_read_back_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::of_this_namespace(&directory.path().join("tproxy")).unwrap();
        assert_eq!(journal.read().unwrap(), None);
        let address =
            LoopbackAddress { interface: "lo".to_owned(), address: IpFamily::V6.passthrough(), prefix: 128 };
        let record = record(&[Change::AddAddress(address.clone())], None);
        journal.write(&record).unwrap();
        assert_eq!(journal.read().unwrap(), Some(record.clone()));
        assert!(record.added_passthrough());
        let later = self::record(&[Change::RemoveAddress(address)], Some(&record));
        assert!(!later.installed().added_passthrough());
        journal.remove().unwrap();
        assert_eq!(journal.read().unwrap(), None);
        assert!(!directory.path().join("tproxy").exists());
    }

    #[test]
    fn word_of_a_return_is_told_once_and_not_after_whatever_comes_later() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::of_this_namespace(&directory.path().join("tproxy")).unwrap();
        assert!(!journal.take_return());
        journal.note_return().unwrap();
        assert_eq!(journal.read().unwrap(), None);
        assert!(journal.take_return() && !journal.take_return());
        journal.note_return().unwrap();
        journal.write(&record(&[], None)).unwrap();
        assert!(!journal.take_return());
        journal.note_return().unwrap();
        journal.remove().unwrap();
        assert!(!directory.path().join("tproxy").exists());
    }

    #[test]
    fn a_record_of_another_boot_or_a_broken_one_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::of_this_namespace(directory.path()).unwrap();
        let mut record = record(&[], None);
        record.boot_id = "another".to_owned();
        journal.write(&record).unwrap();
        assert_eq!(journal.read().unwrap(), None);
        fs::write(&journal.file, "{").unwrap();
        assert_eq!(journal.read().unwrap(), None);
    }
}
