//! What a node sees of the file system: the machine's, but with its own /run, /tmp, /etc, /sys, cgroup tree and
//! bpffs. Everything happens in the mount namespace of the calling thread, which must be new.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;

use super::error::SetupError;
use super::spec::NodeSpec;
use super::{accounts, files, mountinfo};

/// Where the programs of [`NodeSpec::programs`] are found inside a node.
pub(super) const PROGRAMS: &str = "/run/netsim/bin";

const ETC_UPPER: &str = "/run/netsim/etc/upper";
const ETC_WORK: &str = "/run/netsim/etc/work";

/// More than anyone stacks on one directory.
const STACKED_MOUNTS: usize = 16;

/// Gives the calling thread's new mount namespace the file systems of a node.
pub(super) fn furnish(spec: &NodeSpec) -> Result<(), SetupError> {
    // First of all, or every mount below would appear on the machine, too.
    place("a private root", None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    // Before /run and /tmp are hidden, in which the programs may lie.
    let programs = open_programs(&spec.programs)?;
    own_sys()?;
    place("tmpfs", Some("tmpfs"), "/run", Some("tmpfs"), nosuid(), Some("mode=755"))?;
    place("tmpfs", Some("tmpfs"), "/tmp", Some("tmpfs"), nosuid(), Some("mode=1777"))?;
    own_etc(spec)?;
    bind_programs(programs)?;
    spec.files.iter().try_for_each(|(path, contents)| files::write(path, contents))
}

fn nosuid() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV
}

fn place(
    what: &'static str,
    source: Option<&str>,
    target: impl AsRef<Path>,
    kind: Option<&str>,
    flags: MsFlags,
    data: Option<&str>,
) -> Result<(), SetupError> {
    let target = target.as_ref();
    mount(source, target, kind, flags, data).map_err(|source| SetupError::Mount {
        what,
        target: target.to_owned(),
        source,
    })
}

/// Replaces /sys by a fresh sysfs, which shows this network namespace, with a cgroup tree and a bpffs of its own.
fn own_sys() -> Result<(), SetupError> {
    for _ in 0..STACKED_MOUNTS {
        // Detached with all that is mounted below, such as the machine's cgroups and pinned eBPF objects.
        if umount2("/sys", MntFlags::MNT_DETACH).is_err() {
            break;
        }
    }
    detach_machine_mounts()?;
    place("sysfs", Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None)?;
    place("cgroup2", Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None)?;
    if Path::new("/sys/fs/bpf").is_dir() {
        place("bpf", Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), Some("mode=700"))?;
    }
    Ok(())
}

/// Detaches what still shows the machine's cgroups or eBPF objects, wherever it is mounted.
fn detach_machine_mounts() -> Result<(), SetupError> {
    let path = Path::new("/proc/thread-self/mountinfo");
    let text = fs::read_to_string(path).map_err(|source| SetupError::Namespace { source })?;
    let machines = mountinfo::parse(&text)
        .into_iter()
        .rev()
        .filter(|mount| matches!(mount.kind.as_str(), "cgroup" | "cgroup2" | "bpf"));
    for mount in machines {
        match umount2(&mount.point, MntFlags::MNT_DETACH) {
            // Gone together with another one.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(source) => {
                return Err(SetupError::Mount { what: "nothing", target: mount.point, source });
            }
        }
    }
    Ok(())
}

/// Lays a writable layer over /etc, with the node's own users and name service.
fn own_etc(spec: &NodeSpec) -> Result<(), SetupError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SetupError::File { path, source }
    };
    for directory in [ETC_UPPER, ETC_WORK, PROGRAMS] {
        fs::create_dir_all(directory).map_err(failed(Path::new(directory)))?;
    }
    let texts = [
        ("passwd", accounts::passwd(&spec.accounts)),
        ("group", accounts::group(&spec.accounts)),
        ("hosts", accounts::hosts(&spec.hosts)),
        ("resolv.conf", accounts::resolv_conf(&spec.name_servers)),
    ];
    for (name, text) in texts {
        let path = Path::new(ETC_UPPER).join(name);
        fs::write(&path, text).map_err(failed(&path))?;
    }
    let data = format!("lowerdir=/etc,upperdir={ETC_UPPER},workdir={ETC_WORK}");
    place("overlay", Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(&data))
}

struct Program {
    name: String,
    path: PathBuf,
    file: OwnedFd,
}

impl Program {
    fn failed(name: &str, path: &Path, source: impl Into<io::Error>) -> SetupError {
        SetupError::Program { name: name.to_owned(), path: path.to_owned(), source: source.into() }
    }
}

fn open_programs(programs: &[(String, PathBuf)]) -> Result<Vec<Program>, SetupError> {
    let open_one = |(name, path): &(String, PathBuf)| {
        if name.is_empty() || name.contains('/') {
            return Err(Program::failed(name, path, Errno::EINVAL));
        }
        let executable =
            fs::metadata(path).map(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        match executable {
            Ok(true) => {}
            Ok(false) => return Err(Program::failed(name, path, Errno::EACCES)),
            Err(source) => return Err(Program::failed(name, path, source)),
        }
        let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|source| Program::failed(name, path, source))?;
        Ok(Program { name: name.clone(), path: path.clone(), file })
    };
    programs.iter().map(open_one).collect()
}

fn bind_programs(programs: Vec<Program>) -> Result<(), SetupError> {
    for Program { name, path, file } in programs {
        let target = Path::new(PROGRAMS).join(&name);
        fs::write(&target, "").map_err(|source| Program::failed(&name, &path, source))?;
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        mount(Some(source.as_str()), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .map_err(|source| Program::failed(&name, &path, source))?;
    }
    Ok(())
}
