//! Where programs are attached and pinned: cgroup2 and the BPF file system, wherever they are mounted.
//!
//! Must never unmount what tproxy has not mounted.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::statfs::{BPF_FS_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};

use super::error::EbpfError;
use super::object;
use crate::config::Config;
use crate::ebpf::layout::LAYOUT;
use crate::ebpf::render::Place;

/// How the directories of pins begin.
pub const NAME: &str = "tproxy-";
/// The source of a BPF file system that tproxy has mounted; behind it, how many directories it made for that.
const SOURCE: &str = "tproxy-";
/// What the kernel itself may put into each (`CONFIG_BPF_PRELOAD`).
const KERNELS: [&str; 2] = ["maps.debug", "progs.debug"];
/// The programs' file, in a directory that the user names.
const OBJECT: &str = "tproxy.bpf.o";

/// The place for an installation by `config`.
///
/// # Errors
/// There is no cgroup2, or a named path is none, or holds no programs.
pub fn choose(config: &Config) -> Result<Place, EbpfError> {
    let default = Config::default().ebpf;
    let mounts = Mounts::read()?;
    let named = config.ebpf.cgroup_path.as_path();
    let is_default = config.ebpf.cgroup_path == default.cgroup_path;
    let cgroup = match is_on(named, CGROUP2_SUPER_MAGIC) {
        true => named.to_owned(),
        false if is_default => {
            mounts.first("cgroup2").ok_or(EbpfError::NoCgroup { path: named.to_owned() })?
        }
        false => return Err(EbpfError::NotCgroup { path: named.to_owned() }),
    };
    let named = config.ebpf.bpffs_path.as_path();
    let elsewhere = || mounts.first("bpf").filter(|_| config.ebpf.bpffs_path == default.bpffs_path);
    let (bpffs, mounts) = match is_on(named, BPF_FS_MAGIC) {
        true => (named.to_owned(), false),
        false => elsewhere().map_or((named.to_owned(), true), |found| (found, false)),
    };
    let failed = |error| EbpfError::File { what: "look at", path: cgroup.clone(), error };
    let id = fs::metadata(&cgroup).map_err(failed)?.st_ino();
    let source = &config.ebpf.programs_source_path;
    let object = (*source != default.programs_source_path).then(|| source.as_path().join(OBJECT));
    let programs = object::digest(object.as_deref())?;
    Ok(Place { cgroup, bpffs, mounts, directory: format!("{NAME}{LAYOUT}-{id:x}"), object, programs })
}

/// A place that was, as it can be made again: with its file of programs, or with those of this build where the file is gone.
///
/// # Errors
/// This build has no programs.
pub fn again(place: &Place) -> Result<Place, EbpfError> {
    let object = place.object.clone().filter(|file| object::digest(Some(file)).is_ok());
    let programs = object::digest(object.as_deref())?;
    let mounts = !is_on(&place.bpffs, BPF_FS_MAGIC);
    Ok(Place { mounts, object, programs, ..place.clone() })
}

/// Whether a directory is one of pins, of whatever layout: `tproxy-<layout>-<cgroup>`.
pub(super) fn is_name(directory: &str) -> bool {
    let numbers = directory.strip_prefix(NAME).and_then(|numbers| numbers.split_once('-'));
    let is_number = |digits: &str, base| u64::from_str_radix(digits, base).is_ok();
    numbers.is_some_and(|(layout, cgroup)| is_number(layout, 10) && is_number(cgroup, 16))
}

/// Whether it is of the layout that this version knows.
pub(super) fn is_of_this_layout(directory: &str) -> bool {
    directory.strip_prefix(&format!("{NAME}{LAYOUT}-")).is_some()
}

fn is_on(path: &Path, kind: FsType) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == kind)
}

/// Mounts the BPF file system of a place where it is not there.
pub(super) fn prepare(place: &Place) -> Result<(), EbpfError> {
    if !place.mounts || is_on(&place.bpffs, BPF_FS_MAGIC) {
        return Ok(());
    }
    let failed = |error| EbpfError::Mount { path: place.bpffs.clone(), error };
    let missing: Vec<&Path> = place.bpffs.ancestors().take_while(|path| !path.exists()).collect();
    for directory in missing.iter().rev() {
        fs::create_dir(directory).map_err(failed)?;
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let source = format!("{SOURCE}{}", missing.len());
    let mounted = mount(Some(source.as_str()), &place.bpffs, Some("bpf"), flags, Some("mode=0700"));
    mounted.map_err(|error| {
        remove_directories(&place.bpffs, missing.len());
        failed(error.into())
    })
}

/// Unmounts it again where tproxy has mounted it and nothing is in it.
pub(super) fn restore(place: &Place) -> Result<(), EbpfError> {
    let mounts = Mounts::read()?;
    let Some(made) = mounts.made_at(&place.bpffs) else { return Ok(()) };
    let is_kernels = |name: &std::ffi::OsStr| KERNELS.iter().any(|known| name == *known);
    // Closed before unmounting, or it would be busy.
    let has_others = {
        let mut entries = fs::read_dir(&place.bpffs).into_iter().flatten().flatten();
        entries.any(|entry| !is_kernels(&entry.file_name()))
    };
    if has_others {
        return Ok(());
    }
    match umount(&place.bpffs) {
        Ok(()) => {}
        // Somebody has begun to use it.
        Err(Errno::EBUSY) => return Ok(()),
        Err(error) => {
            let (path, error) = (place.bpffs.clone(), io::Error::from(error));
            return Err(EbpfError::File { what: "unmount", path, error });
        }
    }
    remove_directories(&place.bpffs, made);
    Ok(())
}

/// What others have put there meanwhile stays.
fn remove_directories(path: &Path, count: usize) {
    for directory in path.ancestors().take(count) {
        if fs::remove_dir(directory).is_err() {
            break;
        }
    }
}

/// What is mounted, of the kinds that matter.
pub(super) struct Mounts(String);

impl Mounts {
    pub(super) fn read() -> Result<Self, EbpfError> {
        let path = PathBuf::from("/proc/thread-self/mountinfo");
        fs::read_to_string(&path).map(Self).map_err(|error| EbpfError::File { what: "read", path, error })
    }

    /// Where file systems of this kind are mounted, with their sources (proc(5)).
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (PathBuf, &'a str)> {
        self.with_roots(kind).map(|(_, point, source)| (point, source))
    }

    /// Which directory of such a file system is mounted where, and from what.
    fn with_roots<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (PathBuf, PathBuf, &'a str)> {
        self.0.lines().filter_map(move |line| {
            let (before, behind) = line.split_once(" - ")?;
            let mut words = behind.split(' ');
            let (found, source) = (words.next()?, words.next()?);
            let mut fields = before.split(' ').skip(3).map(unescaped);
            (found == kind).then_some((fields.next()?, fields.next()?, source))
        })
    }

    /// The directory of a cgroup, by its path in /proc/PID/cgroup; `None` where it is not in sight.
    pub(super) fn cgroup(&self, path: &Path) -> Option<PathBuf> {
        let mut seen = self.with_roots("cgroup2").filter_map(|(root, point, _)| {
            let below = path.strip_prefix(&root).ok()?;
            Some(if below.as_os_str().is_empty() { point } else { point.join(below) })
        });
        seen.find(|path| is_on(path, CGROUP2_SUPER_MAGIC))
    }

    /// The first one that is really there: another may be mounted over it.
    fn first(&self, kind: &str) -> Option<PathBuf> {
        let magic = if kind == "bpf" { BPF_FS_MAGIC } else { CGROUP2_SUPER_MAGIC };
        self.of(kind).map(|(path, _)| path).find(|path| is_on(path, magic))
    }

    /// All BPF file systems.
    pub(super) fn bpffs(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self.of("bpf").map(|(path, _)| path).collect();
        found.retain(|path| is_on(path, BPF_FS_MAGIC));
        found.sort();
        found.dedup();
        found
    }

    /// All cgroup2 file systems.
    pub(super) fn cgroups(&self) -> Vec<PathBuf> {
        self.of("cgroup2").map(|(path, _)| path).collect()
    }

    /// How many directories tproxy made to mount one there; `None` where it did not mount it.
    fn made_at(&self, path: &Path) -> Option<usize> {
        let last = self.of("bpf").filter(|(point, _)| point == path).last()?;
        last.1.strip_prefix(SOURCE)?.parse().ok()
    }
}

/// Blanks and such are written as octal numbers.
fn unescaped(path: &str) -> PathBuf {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (code, letter)| path.replace(code, letter))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_other_layouts_are_known_and_what_is_none_is_not() {
        assert!(is_name("tproxy-1-2f0") && !is_of_this_layout("tproxy-1-2f0"));
        assert!(is_of_this_layout(&format!("tproxy-{LAYOUT}-2f0")));
        assert!(!is_name("tproxy-left") && !is_name("tproxy-1-") && !is_name("other-1-2f0"));
    }

    #[test]
    fn a_mount_of_ours_tells_how_many_directories_were_made_for_it() {
        let mounts = Mounts(
            "78 77 0:38 / /sys/fs/bpf rw shared:9 - bpf bpf rw\n79 77 0:39 / /run/a\\040b rw - bpf tproxy-2 rw\n".to_owned(),
        );
        assert_eq!(mounts.made_at(Path::new("/run/a b")), Some(2));
        assert_eq!(mounts.made_at(Path::new("/sys/fs/bpf")), None);
    }
}
