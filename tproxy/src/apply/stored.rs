//! Replaces a configuration file of another program in one step, so that whoever reads it sees the text before or after.
//!
//! Must never write over a text that it does not know, nor leave a half-written file under a name that anybody reads.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::change::StoredFile;

/// How a new file begins its name. What a killed run left of it is removed by the next one.
const DRAFT: &str = ".tproxy-draft-";
/// Mode of a file that was not there: what firewalld gives its own files, in a directory that only root may enter.
const MODE: u32 = 0o644;

/// Why a file was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another program has written it since it was read.
    #[error("another program has changed it meanwhile; try again")]
    Changed,
    /// The system says why.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Performs the change; one that is performed already is as wanted.
pub(super) fn store(change: &StoredFile) -> Result<(), StoreError> {
    let now = match fs::read(&change.path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let is = |text: &Option<String>| now.as_deref() == text.as_deref().map(str::as_bytes);
    if is(&change.after) {
        return Ok(());
    }
    if !is(&change.before) {
        return Err(StoreError::Changed);
    }
    let directory = change.path.parent().unwrap_or(Path::new("/"));
    sweep(directory)?;
    match &change.after {
        Some(text) => replace(&change.path, directory, text)?,
        None => fs::remove_file(&change.path)?,
    }
    Ok(File::open(directory)?.sync_all()?)
}

fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A new file takes the place of the old one, with its mode and owner.
fn replace(path: &Path, directory: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    // Made with O_EXCL under a random name, and removed again when anything below fails.
    let mut draft = tempfile::Builder::new().prefix(DRAFT).rand_bytes(16).tempfile_in(directory)?;
    if let Some(old) = &old {
        fchown(draft.as_file(), Some(old.uid()), Some(old.gid()))?;
    }
    let mode = old.map_or(MODE, |old| old.mode() & 0o7777);
    draft.as_file().set_permissions(Permissions::from_mode(mode))?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    draft.persist(path).map(|_| ()).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &Path, before: Option<&str>, after: Option<&str>) -> StoredFile {
        let own = |text: Option<&str>| text.map(str::to_owned);
        StoredFile { path: path.to_owned(), before: own(before), after: own(after) }
    }

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_made_replaced_and_removed_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("direct.xml");
        fs::write(directory.path().join(format!("{DRAFT}of-a-killed-run")), "half").unwrap();
        store(&change(&path, None, Some("one"))).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, MODE);
        store(&change(&path, None, Some("one"))).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        store(&change(&path, Some("one"), Some("two"))).unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(directory.path()).len()), ("two", 1));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        store(&change(&path, Some("two"), None)).unwrap();
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn a_text_that_somebody_else_wrote_meanwhile_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("direct.xml");
        for (there, before, after) in [
            (Some("other"), Some("one"), Some("two")),
            (Some("other"), None, Some("two")),
            (None, Some("one"), None),
        ] {
            let _ = fs::remove_file(&path);
            if let Some(there) = there {
                fs::write(&path, there).unwrap();
            }
            let outcome = store(&change(&path, before, after));
            assert_eq!(outcome.is_ok(), there.is_none() && after.is_none());
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), there);
        }
    }
}
