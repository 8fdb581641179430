//! The process's own part of the cgroup tree: `netsim.<pid>.<start time>` below the cgroup it was started in.
//!
//! The process moves into it, because all threads of a process must live under one cgroup; every node and actor
//! gets a threaded cgroup below. Several netsim processes stand side by side. Removed by [`shutdown`], else by
//! the janitor. Never looks at another process's subtree while that process lives.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

use super::cgroup::{self, Cgroup, CgroupError};
use super::janitor::Janitor;
use super::{mountinfo, sweep};

const PREFIX: &str = "netsim.";

static CURRENT: Mutex<Option<Arc<Subtree>>> = Mutex::new(None);

/// The subtree of this process. Nodes share it.
#[derive(Debug)]
pub(super) struct Subtree {
    // Fields drop in this order: the directory first, then the janitor, which then finds nothing to do.
    top: Option<Cgroup>,
    origin: OwnedFd,
    _janitor: Janitor,
}

impl Subtree {
    /// The subtree of this process, made now if there is none.
    pub(super) fn current() -> Result<Arc<Self>, CgroupError> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subtree) = current.as_ref() {
            return Ok(Arc::clone(subtree));
        }
        let subtree = Arc::new(Self::make()?);
        *current = Some(Arc::clone(&subtree));
        Ok(subtree)
    }

    fn make() -> Result<Self, CgroupError> {
        let own = own_cgroup(&read("/proc/self/cgroup")?);
        let (point, within) = find_mount(&read("/proc/self/mountinfo")?, &own)?;
        let origin = open_cgroup(&point.join(&within))?;
        let base = open_cgroup(&point.join(outside_netsim(&within)))?;
        collect_stale(&base);

        let name = format!("{PREFIX}{}.{}", Pid::this(), start_time("self")?);
        // Before the process moves: the janitor must stay outside of what it removes.
        let janitor =
            Janitor::employ(base.as_fd(), &name).map_err(|source| CgroupError::Janitor { source })?;
        let top = Cgroup::create(base.as_fd(), &name)?;
        top.set("cgroup.procs", &Pid::this().to_string())?;
        Ok(Self { top: Some(top), origin, _janitor: janitor })
    }

    /// Makes the cgroup of a node.
    pub(super) fn create_node(&self, name: &str) -> Result<Cgroup, CgroupError> {
        self.top.as_ref().ok_or(CgroupError::InUse)?.create_child(name)
    }

    fn leave(mut self) -> Result<(), CgroupError> {
        let pid = Pid::this().to_string();
        cgroup::set(self.origin.as_fd(), "cgroup.procs", &pid).map_err(|source| CgroupError::Control {
            name: "in which this process was started".to_owned(),
            file: "cgroup.procs",
            value: pid,
            source,
        })?;
        self.top.take().map_or(Ok(()), Cgroup::remove)
    }
}

/// Moves this process back to the cgroup it was started in and removes its subtree. To be called when all nodes
/// are dropped and no more will be made; when it is not called, the janitor does it after the process's end.
///
/// # Errors
/// When nodes are still alive, or the kernel refuses.
pub fn shutdown() -> Result<(), CgroupError> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(subtree) = current.take() else { return Ok(()) };
    match Arc::try_unwrap(subtree) {
        Ok(subtree) => subtree.leave(),
        Err(shared) => {
            *current = Some(shared);
            Err(CgroupError::InUse)
        }
    }
}

/// Opens the cgroup that a file such as `/proc/self/cgroup` names, and tells its name.
pub(super) fn open_named(file: &str) -> Result<(OwnedFd, String), CgroupError> {
    let own = own_cgroup(&read(file)?);
    let (point, within) = find_mount(&read("/proc/self/mountinfo")?, &own)?;
    Ok((open_cgroup(&point.join(&within))?, own.display().to_string()))
}

/// The path in the `0::` line.
fn own_cgroup(text: &str) -> PathBuf {
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    path.strip_suffix(" (deleted)").unwrap_or(path).into()
}

/// The cgroup2 mount that shows the cgroup `own`, and where below it.
fn find_mount(mounts: &str, own: &Path) -> Result<(PathBuf, PathBuf), CgroupError> {
    mountinfo::parse(mounts)
        .into_iter()
        .filter(|mount| mount.kind == "cgroup2")
        .find_map(|mount| Some((mount.point, own.strip_prefix(&mount.root).ok()?.to_owned())))
        .ok_or_else(|| CgroupError::NoMount { own: own.to_owned() })
}

/// A netsim started by a netsim stands beside its parent, not below it: a cgroup with threaded children can
/// have no other kind.
fn outside_netsim(path: &Path) -> PathBuf {
    path.components()
        .take_while(|part| !matches!(part, Component::Normal(name) if is_ours(&name.to_string_lossy())))
        .collect()
}

fn is_ours(name: &str) -> bool {
    owner(name).is_some()
}

/// The process id and start time in the name of a subtree.
fn owner(name: &str) -> Option<(&str, &str)> {
    let (pid, start) = name.strip_prefix(PREFIX)?.split_once('.')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(pid) && number(start)).then_some((pid, start))
}

/// Removes empty subtrees whose process no longer exists, left by a janitor that was killed, too.
fn collect_stale(base: &OwnedFd) {
    sweep::each_child(base.as_fd(), |name| {
        let Some((pid, start)) = name.to_str().ok().and_then(owner) else { return };
        if start_time(pid).is_ok_and(|now| now == start) {
            return;
        }
        let Ok(tree) = sweep::open_dir(base.as_fd(), name) else { return };
        if sweep::is_unpopulated(tree.as_fd()) {
            sweep::remove_below(tree.as_fd());
            let _ = unlinkat(base, name, UnlinkatFlags::RemoveDir);
        }
    });
}

/// When a process started, in clock ticks since boot: with its id it names a process for good.
fn start_time(pid: &str) -> Result<String, CgroupError> {
    let path = format!("/proc/{pid}/stat");
    let stat = read(&path)?;
    // The second field is the program's name in parentheses, which may hold spaces and parentheses.
    let field = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(19));
    Ok(field.unwrap_or("0").to_owned())
}

fn read(path: &str) -> Result<String, CgroupError> {
    std::fs::read_to_string(path).map_err(|source| CgroupError::Proc { path: path.into(), source })
}

fn open_cgroup(path: &Path) -> Result<OwnedFd, CgroupError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|source: Errno| CgroupError::Directory {
        step: "open",
        name: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_netsim_stands_beside_its_parent() {
        assert_eq!(outside_netsim(Path::new("user/netsim.12.345")), Path::new("user"));
        assert_eq!(outside_netsim(Path::new("user/netsim.12.345/0-pod")), Path::new("user"));
        assert_eq!(outside_netsim(Path::new("netsim.scope/x")), Path::new("netsim.scope/x"));
        assert_eq!(outside_netsim(Path::new("")), Path::new(""));
    }

    #[test]
    fn the_mount_that_shows_the_own_cgroup_is_found() {
        let mounts =
            "1 0 0:1 /other /a rw - cgroup2 cgroup2 rw\n2 0 0:1 /docker/1 /b rw - cgroup2 cgroup2 rw\n";
        let found = find_mount(mounts, Path::new("/docker/1/x")).unwrap();
        assert_eq!(found, (PathBuf::from("/b"), PathBuf::from("x")));
        assert!(matches!(find_mount(mounts, Path::new("/")), Err(CgroupError::NoMount { .. })));
    }
}
