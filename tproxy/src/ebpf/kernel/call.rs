//! The system call bpf(2), as far as aya leaves it out: links, pins, and maps as bytes; and descriptors of other processes.
//!
//! The only unsafe code of the backend. Must never know what an object is for.

#![expect(unsafe_code, reason = "bpf(2), pidfd_getfd(2) and some socket options have no safe form")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `enum bpf_cmd` of linux/bpf.h.
mod command {
    pub(super) const MAP_LOOKUP: i64 = 1;
    pub(super) const MAP_UPDATE: i64 = 2;
    pub(super) const MAP_DELETE: i64 = 3;
    pub(super) const MAP_NEXT_KEY: i64 = 4;
    pub(super) const PIN: i64 = 6;
    pub(super) const GET: i64 = 7;
    pub(super) const INFO: i64 = 15;
    pub(super) const PROGRAM_QUERY: i64 = 16;
    pub(super) const LINK_CREATE: i64 = 28;
    pub(super) const LINK_UPDATE: i64 = 29;
    pub(super) const LINK_DETACH: i64 = 34;
}

/// Only where there is no such key.
pub(super) const NEW: u64 = 1;

/// The beginning of `union bpf_attr`, long enough for every command here. The kernel takes zeros for what it does not know.
#[repr(C, align(8))]
struct Attributes([u8; 64]);

impl Attributes {
    fn new() -> Self {
        Self([0; 64])
    }

    fn put<const N: usize>(mut self, at: usize, bytes: [u8; N]) -> Self {
        if let Some(place) = self.0.get_mut(at..at + N) {
            place.copy_from_slice(&bytes);
        }
        self
    }

    fn descriptor(self, at: usize, descriptor: BorrowedFd<'_>) -> Self {
        self.put(at, descriptor.as_raw_fd().to_ne_bytes())
    }

    fn number(self, at: usize, number: u32) -> Self {
        self.put(at, number.to_ne_bytes())
    }

    /// The caller keeps what `pointer` points to until the call returns.
    fn pointer<T>(self, at: usize, pointer: *const T) -> Self {
        self.put(at, (pointer as u64).to_ne_bytes())
    }

    fn number_at(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_ne_bytes)
    }

    /// # Safety
    /// What the attributes point to lives, is as long as the command reads or writes, and may be written where it writes.
    unsafe fn call(mut self, command: i64) -> io::Result<RawFd> {
        // SAFETY: the caller's promise.
        unsafe { self.ask(command) }
    }

    /// The same where the command writes into the attributes, too.
    ///
    /// # Safety
    /// As of `call`.
    unsafe fn ask(&mut self, command: i64) -> io::Result<RawFd> {
        let size = size_of::<Self>();
        // SAFETY: the attributes live until the call returns, and `size` is theirs; the rest is the caller's promise.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(self), size) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(RawFd::try_from(result).unwrap_or(-1)) }
    }
}

/// A descriptor that the kernel has just made.
fn owned(descriptor: io::Result<RawFd>) -> io::Result<OwnedFd> {
    // SAFETY: the kernel gave it to this process, and nobody else has it.
    descriptor.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// What is pinned at `path`.
pub(super) fn get(path: &Path) -> io::Result<OwnedFd> {
    let path = text(path)?;
    // SAFETY: the command reads the path, which ends with NUL.
    owned(unsafe { Attributes::new().pointer(0, path.as_ptr()).call(command::GET) })
}

/// Pins an object at `path`.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = text(path)?;
    // SAFETY: the command reads the path, which ends with NUL.
    unsafe { Attributes::new().pointer(0, path.as_ptr()).descriptor(8, object).call(command::PIN) }.map(drop)
}

/// Attaches a program to a cgroup or network namespace.
pub(super) fn link(program: BorrowedFd<'_>, target: BorrowedFd<'_>, kind: u32) -> io::Result<OwnedFd> {
    let attributes = Attributes::new().descriptor(0, program).descriptor(4, target).number(8, kind);
    // SAFETY: the command reads nothing but the attributes.
    owned(unsafe { attributes.call(command::LINK_CREATE) })
}

/// Gives a link another program, in one step.
pub(super) fn relink(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = Attributes::new().descriptor(0, link).descriptor(4, program);
    // SAFETY: the command reads nothing but the attributes.
    unsafe { attributes.call(command::LINK_UPDATE) }.map(drop)
}

/// Ends what a link does at once, whoever holds it.
pub(super) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the command reads nothing but the attributes.
    unsafe { Attributes::new().descriptor(0, link).call(command::LINK_DETACH) }.map(drop)
}

/// How many programs of tcx an interface of this network namespace has, for what arrives or for what leaves; none where the kernel
/// knows no tcx, which is before Linux 6.6.
pub(super) fn tcx_programs(index: u32, arriving: bool) -> io::Result<u32> {
    /// BPF_TCX_INGRESS and BPF_TCX_EGRESS of `enum bpf_attach_type`.
    const KINDS: [u32; 2] = [46, 47];
    /// Where the kernel writes how many there are.
    const COUNT: usize = 24;
    let [ingress, egress] = KINDS;
    let mut attributes =
        Attributes::new().number(0, index).number(4, if arriving { ingress } else { egress });
    // SAFETY: the command is told of no room for anything but the attributes, which have all that it writes into them.
    match unsafe { attributes.ask(command::PROGRAM_QUERY) } {
        Ok(_) => Ok(attributes.number_at(COUNT)),
        // Neither programs nor tcx (bpf_prog_query).
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Whether a link of a cgroup or network namespace still has it: its id in the kernel is 0 when it is gone.
pub(super) fn is_attached(link: BorrowedFd<'_>) -> io::Result<bool> {
    const INFO: usize = 64;
    let mut info = [0_u64; INFO / 8];
    let attributes =
        Attributes::new().descriptor(0, link).number(4, INFO as u32).pointer(8, info.as_mut_ptr());
    // SAFETY: the command writes at most as many bytes as it is told, and `info` has them.
    unsafe { attributes.call(command::INFO) }?;
    // `struct bpf_link_info`: type, id, prog_id, then either `u64 cgroup_id` or `u32 netns_ino, attach_type`.
    let [head, _, target, ..] = info;
    const NETNS: u64 = 5;
    let kind = head & u64::from(u32::MAX);
    Ok(if kind == NETNS { target & u64::from(u32::MAX) != 0 } else { target != 0 })
}

/// The value of a key, `length` bytes of it; `None` where there is none.
pub(super) fn lookup(map: BorrowedFd<'_>, key: &[u8], length: usize) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0_u8; length];
    let attributes = on_map(map, key).pointer(16, value.as_mut_ptr());
    // SAFETY: `maps` opens each map with the sizes of its keys and values.
    match unsafe { attributes.call(command::MAP_LOOKUP) } {
        Ok(_) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets the value of a key.
pub(super) fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
    let attributes = on_map(map, key).pointer(16, value.as_ptr()).put(24, flags.to_ne_bytes());
    // SAFETY: `maps` opens each map with the sizes of its keys and values.
    unsafe { attributes.call(command::MAP_UPDATE) }.map(drop)
}

/// Removes a key; none is no error.
pub(super) fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    // SAFETY: `maps` opens each map with the sizes of its keys and values.
    match unsafe { on_map(map, key).call(command::MAP_DELETE) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// The key behind `key`, or the first one; `None` behind the last.
pub(super) fn next_key(
    map: BorrowedFd<'_>,
    key: Option<&[u8]>,
    length: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut next = vec![0_u8; length];
    let attributes = Attributes::new()
        .descriptor(0, map)
        .pointer(8, key.map_or(std::ptr::null(), <[u8]>::as_ptr))
        .pointer(16, next.as_mut_ptr());
    // SAFETY: `maps` opens each map with the sizes of its keys and values.
    match unsafe { attributes.call(command::MAP_NEXT_KEY) } {
        Ok(_) => Ok(Some(next)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn on_map(map: BorrowedFd<'_>, key: &[u8]) -> Attributes {
    Attributes::new().descriptor(0, map).pointer(8, key.as_ptr())
}

/// `struct bpf_map_info`: type, id, key_size, value_size.
pub(super) fn map_sizes(map: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    let mut info = [0_u32; 16];
    let length = u32::try_from(size_of_val(&info)).unwrap_or(0);
    let attributes = Attributes::new().descriptor(0, map).number(4, length).pointer(8, info.as_mut_ptr());
    // SAFETY: the command writes at most as many bytes as it is told, and `info` has them.
    unsafe { attributes.call(command::INFO) }?;
    let [_, _, key, value, ..] = info;
    Ok((key as usize, value as usize))
}

/// A copy of a descriptor of another process.
pub(super) fn descriptor_of(process: i32, descriptor: i32) -> io::Result<OwnedFd> {
    let made = |result: i64| {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(RawFd::try_from(result).unwrap_or(-1)) }
    };
    // SAFETY: the calls take numbers alone.
    let process = owned(made(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) }))?;
    // SAFETY: as above; the descriptor of the process lives.
    owned(made(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0) }))
}

/// The kernel's number of a socket, as SOCKHASH maps tell it (`SO_COOKIE`).
pub(super) fn socket_cookie(socket: &impl AsFd) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut size = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or(8);
    // SAFETY: `cookie` and `size` live through the call, and `size` tells how many bytes `cookie` has.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    if result == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}
