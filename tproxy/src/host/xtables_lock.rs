//! Who holds the lock of iptables over x_tables, from /proc/locks.
//!
//! Must never take the lock.

use std::fmt;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// Names the lock's file (iptables' xshared.c).
const VARIABLE: &str = "XTABLES_LOCKFILE";
/// The file where the variable names none (XT_LOCK_NAME).
const FILE: &str = "/run/xtables.lock";

/// A process that holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The lock's file.
    pub file: PathBuf,
    /// Process id.
    pub pid: i32,
    /// The program's name as the kernel knows it; empty when it ended meanwhile.
    pub name: String,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is locked by pid {} ({})", self.file.display(), self.pid, self.name)
    }
}

/// Who holds the lock now; `None` where nobody does, or the process cannot be seen from here.
#[must_use]
pub fn holder() -> Option<LockHolder> {
    let file = std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(FILE), PathBuf::from);
    holder_of(&file)
}

fn holder_of(file: &Path) -> Option<LockHolder> {
    let found = std::fs::metadata(file).ok()?;
    let (device, inode) = (found.st_dev(), found.st_ino());
    let place = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| holding(line, &place))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(LockHolder { file: file.to_owned(), pid, name: name.trim().to_owned() })
}

/// The process of a line that holds a lock on `place`: `1: FLOCK  ADVISORY  WRITE 42 00:1a:77 0 EOF`. Those that wait have
/// an arrow behind the number; a process of another pid namespace has no id.
fn holding(line: &str, place: &str) -> Option<i32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [_, "FLOCK", _, _, pid, locked, ..] if *locked == place => pid.parse().ok().filter(|pid| *pid > 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{Flock, FlockArg};

    use super::*;

    #[test]
    fn the_process_that_holds_a_lock_is_found_and_one_that_waits_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(holder_of(file.path()), None);
        let held = Flock::lock(file.reopen().unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        assert_eq!(holder_of(file.path()).unwrap().pid, std::process::id().cast_signed());
        drop(held);
        assert_eq!(holder_of(file.path()), None);
        assert_eq!(holding("1: -> FLOCK  ADVISORY  WRITE 42 00:1a:77 0 EOF", "00:1a:77"), None);
        assert_eq!(holding("1: FLOCK  ADVISORY  WRITE 42 00:1a:77 0 EOF", "00:1a:77"), Some(42));
    }
}
