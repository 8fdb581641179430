//! One cgroup of ours: threaded, entered by threads, removed with everything that still lives in it.
//!
//! A cgroup is held by the descriptor of its directory, so that it can be worked on from inside and outside of
//! nodes, whatever is mounted there. Never touches a cgroup that this process did not make.

use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Pid, UnlinkatFlags, read, unlinkat, write};

use super::sweep;

/// How long killed processes and ended threads may take to leave a cgroup.
const LEAVING: Duration = Duration::from_secs(5);

/// More than the kernel writes into `cpu.stat`.
const STATISTICS: usize = 4096;

/// What can go wrong with cgroups.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The process sees no cgroup2 file system.
    #[error("no cgroup2 file system is mounted that shows this process's own cgroup {own}; mount one")]
    NoMount {
        /// The process's cgroup.
        own: PathBuf,
    },
    /// `/proc` could not be read.
    #[error("cannot read {path}: {source}")]
    Proc {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that is not one directory's name.
    #[error("{name:?} cannot be the name of a cgroup: {source}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: NulError,
    },
    /// A cgroup directory could not be made or opened.
    #[error("cannot {step} cgroup {name}: {source}")]
    Directory {
        /// What was tried.
        step: &'static str,
        /// The cgroup's name.
        name: String,
        /// Why.
        source: Errno,
    },
    /// A control file refused a value.
    #[error("cannot write {value:?} to {file} of cgroup {name}: {source}")]
    Control {
        /// The cgroup's name.
        name: String,
        /// The control file.
        file: &'static str,
        /// The value.
        value: String,
        /// Why.
        source: Errno,
    },
    /// The account of the processor time.
    #[error("cannot read the processor time in cpu.stat of cgroup {name}: {source}")]
    Time {
        /// The cgroup's name.
        name: String,
        /// Why.
        source: Errno,
    },
    /// Something does not leave the cgroup.
    #[error(
        "cgroup {name} is still in use {LEAVING:?} after its threads ended and its processes were killed"
    )]
    Populated {
        /// The cgroup's name.
        name: String,
    },
    /// The process whose exit cleans up could not be started.
    #[error("cannot fork the janitor process: {source}")]
    Janitor {
        /// Why.
        source: Errno,
    },
    /// Nodes live in the subtree.
    #[error("nodes of this process are still alive: drop them before node::shutdown()")]
    InUse,
}

/// A directory of a cgroup2 file system that this process made.
#[derive(Debug)]
pub(super) struct Cgroup {
    parent: OwnedFd,
    name: CString,
    dir: OwnedFd,
    children: AtomicU32,
    removed: bool,
}

impl Cgroup {
    /// Makes a cgroup below another, of the type that its parent gives it.
    pub(super) fn create(parent: BorrowedFd<'_>, name: &str) -> Result<Self, CgroupError> {
        let c_name =
            CString::new(name).map_err(|source| CgroupError::Name { name: name.to_owned(), source })?;
        let failed = |step| {
            let name = name.to_owned();
            move |source| CgroupError::Directory { step, name, source }
        };
        match mkdirat(parent, c_name.as_c_str(), Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(source) => return Err(failed("make")(source)),
        }
        let dir = sweep::open_dir(parent, &c_name).map_err(failed("open"))?;
        let parent = parent.try_clone_to_owned().map_err(|source| CgroupError::Directory {
            step: "hold the parent of",
            name: name.to_owned(),
            source: Errno::from_raw(source.raw_os_error().unwrap_or(libc::EMFILE)),
        })?;
        Ok(Self { parent, name: c_name, dir, children: AtomicU32::new(0), removed: false })
    }

    /// Makes a threaded cgroup below this one: threads of one process can be in several of them. Its name is
    /// made different from all others by a number.
    pub(super) fn create_child(&self, name: &str) -> Result<Self, CgroupError> {
        let number = self.children.fetch_add(1, Ordering::Relaxed);
        let cgroup = Self::create(self.dir.as_fd(), &format!("{number}-{name}"))?;
        cgroup.set("cgroup.type", "threaded")?;
        Ok(cgroup)
    }

    /// What a thread needs to enter this cgroup.
    pub(super) fn entrance(&self) -> Result<Entrance, CgroupError> {
        let threads = openat(&self.dir, c"cgroup.threads", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
        let name = self.name();
        match threads {
            Ok(threads) => Ok(Entrance { name, threads }),
            Err(source) => Err(CgroupError::Directory { step: "open the threads of", name, source }),
        }
    }

    /// Writes a control file.
    pub(super) fn set(&self, file: &'static str, value: &str) -> Result<(), CgroupError> {
        set(self.dir.as_fd(), file, value).map_err(|source| CgroupError::Control {
            name: self.name(),
            file,
            value: value.to_owned(),
            source,
        })
    }

    /// The processor time, user and system, that everything in this cgroup and below has used so far. The kernel keeps
    /// this account without any controller.
    pub(super) fn cpu_time(&self) -> Result<Duration, CgroupError> {
        let failed = |source| CgroupError::Time { name: self.name(), source };
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.dir, c"cpu.stat", flags, Mode::empty()).map_err(failed)?;
        let mut text = [0; STATISTICS];
        let length = read(&file, &mut text).map_err(failed)?;
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
        usage(&text).ok_or_else(|| failed(Errno::ENODATA))
    }

    /// Kills every process in this cgroup and below, but no thread of this process.
    pub(super) fn kill_processes(&self) {
        sweep::kill_processes(self.dir.as_fd(), Pid::this());
    }

    /// Removes the cgroup and all below it, killing what other processes left there. Threads of this process
    /// must have ended or moved away.
    pub(super) fn remove(mut self) -> Result<(), CgroupError> {
        self.removed = true;
        self.remove_now()
    }

    fn remove_now(&self) -> Result<(), CgroupError> {
        if !sweep::empty(self.dir.as_fd(), Pid::this(), LEAVING) {
            return Err(CgroupError::Populated { name: self.name() });
        }
        sweep::remove_below(self.dir.as_fd());
        match unlinkat(&self.parent, self.name.as_c_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(source) => Err(CgroupError::Directory { step: "remove", name: self.name(), source }),
        }
    }

    fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if !self.removed {
            // Whoever wants to know calls remove(); the janitor has a second try when the process ends.
            let _ = self.remove_now();
        }
    }
}

/// The way into a cgroup.
#[derive(Debug)]
pub(super) struct Entrance {
    name: String,
    threads: OwnedFd,
}

impl Entrance {
    /// Moves the calling thread into the cgroup.
    pub(super) fn enter(self) -> Result<(), CgroupError> {
        write(&self.threads, b"0").map(drop).map_err(|source| CgroupError::Control {
            name: self.name,
            file: "cgroup.threads",
            value: "0".to_owned(),
            source,
        })
    }
}

/// Writes a control file of a cgroup directory.
pub(super) fn set(dir: BorrowedFd<'_>, file: &str, value: &str) -> nix::Result<()> {
    let control = openat(dir, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&control, value.as_bytes()).map(drop)
}

/// User and system time together, in a text like `usage_usec 12`.
fn usage(text: &str) -> Option<Duration> {
    let number = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    number.trim().parse().ok().map(Duration::from_micros)
}
