//! Who a thread is: real, effective, saved and file-system uid and gid, of this one thread only.
//!
//! iptables' owner match reads the file-system ids at `socket()`, eBPF the real ids at `connect()`, so both must
//! be set. Never through libc's wrappers: those change all threads of the process.
#![expect(unsafe_code, reason = "the raw system calls are the only way to change one thread's identity")]

use std::fmt;

use nix::errno::Errno;

/// A user and group id, without supplementary groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

impl Identity {
    /// The super-user.
    pub const ROOT: Self = Self::new(0, 0);

    /// An identity of this user and group id.
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid }
    }

    /// Makes the calling thread this identity, for good: it drops supplementary groups and, unless it is root,
    /// all capabilities. Other threads keep theirs.
    pub(super) fn assume(self) -> nix::Result<()> {
        let Self { uid, gid } = self;
        // SAFETY: an empty list of groups is not read. The kernel takes these calls per thread.
        Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, 0_usize, std::ptr::null::<u32>()) })?;
        // SAFETY: three integers.
        Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
        // SAFETY: three integers. Last, because it gives up the right to make the calls above.
        Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
        Ok(())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {} gid {}", self.uid, self.gid)
    }
}
