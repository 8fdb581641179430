//! The namespaces of a thread: making new ones, knowing them by number, bringing pool threads into them.
//!
//! A namespace is a thread's. `/proc/self` is the main thread's: only `/proc/thread-self` is the caller's.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, gettid};

use super::error::SetupError;

/// The number of a network namespace: device and inode of its file, written `device:inode` in decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetId {
    /// The device of the kernel's namespace file system.
    pub device: u64,
    /// The inode of the namespace.
    pub inode: u64,
}

impl NetId {
    /// The network namespace of the calling thread.
    pub(super) fn of_thread() -> std::io::Result<Self> {
        Self::of_file("/proc/thread-self/ns/net")
    }

    /// The network namespace in which this process was started: its main thread never leaves it.
    pub(super) fn of_machine() -> std::io::Result<Self> {
        static MACHINE: OnceLock<NetId> = OnceLock::new();
        if let Some(id) = MACHINE.get() {
            return Ok(*id);
        }
        let id = Self::of_file("/proc/self/ns/net")?;
        Ok(*MACHINE.get_or_init(|| id))
    }

    fn of_file(path: &str) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl fmt::Display for NetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

/// The namespaces of a node, kept alive as long as this value.
#[derive(Debug)]
pub(super) struct Namespaces {
    net: OwnedFd,
    mount: OwnedFd,
    cgroup: OwnedFd,
    net_id: NetId,
    thread: Pid,
}

impl Namespaces {
    /// Moves the calling thread into new network, mount and cgroup namespaces. The cgroup that it is in becomes
    /// the root of what it can see of the cgroup tree.
    pub(super) fn unshare() -> Result<Self, SetupError> {
        let machine = NetId::of_machine().map_err(|source| SetupError::Namespace { source })?;
        let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP;
        unshare(flags).map_err(|source| SetupError::Unshare { source })?;
        let namespaces = Self::of_thread().map_err(|source| SetupError::Namespace { source })?;
        if namespaces.net_id == machine {
            return Err(SetupError::Unshare { source: Errno::ENOTSUP });
        }
        Ok(namespaces)
    }

    fn of_thread() -> std::io::Result<Self> {
        let open = |kind: &str| File::open(format!("/proc/thread-self/ns/{kind}")).map(OwnedFd::from);
        Ok(Self {
            net: open("net")?,
            mount: open("mnt")?,
            cgroup: open("cgroup")?,
            net_id: NetId::of_thread()?,
            thread: gettid(),
        })
    }

    /// The number of the network namespace.
    pub(super) fn net_id(&self) -> NetId {
        self.net_id
    }

    /// The network namespace's file.
    pub(super) fn net(&self) -> BorrowedFd<'_> {
        self.net.as_fd()
    }

    /// The thread that they were made for.
    pub(super) fn thread(&self) -> i32 {
        self.thread.as_raw()
    }

    /// A command line that opens a shell in these namespaces while the node lives.
    pub(super) fn enter_command(&self) -> String {
        let of = format!("/proc/{}/task/{}/ns", Pid::this(), self.thread);
        format!("nsenter --net={of}/net --mount={of}/mnt --cgroup={of}/cgroup")
    }

    /// Makes sure that the calling thread, a pool thread of a runtime of this node, is in these namespaces.
    ///
    /// A pool thread starts in the namespaces of whichever thread first needed it, and is used again by others:
    /// without this, work of the node might one day run in the machine's own network.
    pub(super) fn admit_pool_thread(&self) -> Result<(), SetupError> {
        if NetId::of_thread().is_ok_and(|id| id == self.net_id) {
            return Ok(());
        }
        let failed = |source| SetupError::Unshare { source };
        // setns() into a mount namespace is refused while the thread shares its directory with others.
        unshare(CloneFlags::CLONE_FS).map_err(failed)?;
        setns(&self.mount, CloneFlags::CLONE_NEWNS).map_err(failed)?;
        setns(&self.cgroup, CloneFlags::CLONE_NEWCGROUP).map_err(failed)?;
        setns(&self.net, CloneFlags::CLONE_NEWNET).map_err(failed)
    }
}
