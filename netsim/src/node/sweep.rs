//! Emptying a cgroup tree: killing what lives in it, waiting until it is gone, removing its directories.
//!
//! This code also runs in the janitor, a process forked from a program with many threads. So it must never
//! allocate, lock, log or panic: system calls and stack buffers only.
#![expect(unsafe_code, reason = "getdents64 and tgkill have no safe wrapper that does not allocate")]

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, read, unlinkat};

/// Our trees are three levels deep; programs under test may add a few of their own.
const DEEPEST: u8 = 12;

/// How long to wait for the killed to go before looking for more of them.
const ROUND: Duration = Duration::from_millis(100);

/// Kills every process in this cgroup and those below it, except `spare`: its threads are left alone.
pub(super) fn kill_processes(dir: BorrowedFd<'_>, spare: Pid) {
    kill_to_depth(dir, spare, DEEPEST);
}

fn kill_to_depth(dir: BorrowedFd<'_>, spare: Pid, depth: u8) {
    // cgroup.kill and cgroup.procs are refused in threaded cgroups; cgroup.threads is readable in all.
    if let Ok(threads) = openat(dir, c"cgroup.threads", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
        each_number(threads.as_fd(), |thread| {
            if !is_thread_of(spare, thread) {
                // kill(2) with a thread's id signals its whole process. An error means that it is gone.
                let _ = kill(thread, Signal::SIGKILL);
            }
        });
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    each_child(dir, |name| {
        if let Ok(child) = open_dir(dir, name) {
            kill_to_depth(child.as_fd(), spare, depth);
        }
    });
}

/// Kills every process in this cgroup and below, except `spare`, until nothing lives there any more: what
/// forks while it is being killed is found in the next round. False when the deadline came first.
pub(super) fn empty(dir: BorrowedFd<'_>, spare: Pid, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    loop {
        kill_processes(dir, spare);
        let left = deadline.saturating_duration_since(Instant::now());
        if wait_unpopulated(dir, left.min(ROUND)) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
    }
}

/// Removes all cgroups below this one, deepest first. What is still populated stays.
pub(super) fn remove_below(dir: BorrowedFd<'_>) {
    remove_to_depth(dir, DEEPEST);
}

fn remove_to_depth(dir: BorrowedFd<'_>, depth: u8) {
    let Some(depth) = depth.checked_sub(1) else { return };
    each_child(dir, |name| {
        if let Ok(child) = open_dir(dir, name) {
            remove_to_depth(child.as_fd(), depth);
        }
        let _ = unlinkat(dir, name, UnlinkatFlags::RemoveDir);
    });
}

/// Whether nothing lives in this cgroup or below it.
pub(super) fn is_unpopulated(dir: BorrowedFd<'_>) -> bool {
    wait_unpopulated(dir, Duration::ZERO)
}

/// Waits until nothing lives in this cgroup or below it. False when the deadline came first.
fn wait_unpopulated(dir: BorrowedFd<'_>, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let Ok(events) = openat(dir, c"cgroup.events", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else {
        return false;
    };
    loop {
        let mut text = [0_u8; 128];
        let Ok(length) = nix::sys::uio::pread(&events, &mut text, 0) else { return false };
        let text = text.get(..length).unwrap_or_default();
        if text.windows(11).any(|window| window == b"populated 0") {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLPRI)], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Opens a directory below another.
pub(super) fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    openat(dir, name, flags, Mode::empty())
}

/// Whether `thread` is a thread of `process`.
fn is_thread_of(process: Pid, thread: Pid) -> bool {
    // SAFETY: tgkill takes three integers; signal 0 only asks whether the pair exists.
    unsafe { libc::syscall(libc::SYS_tgkill, process.as_raw(), thread.as_raw(), 0) == 0 }
}

fn each_number(file: BorrowedFd<'_>, mut act: impl FnMut(Pid)) {
    let mut buffer = [0_u8; 1024];
    let mut number = 0_i32;
    loop {
        let length = match read(file, &mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        for byte in buffer.get(..length).unwrap_or_default() {
            if byte.is_ascii_digit() {
                number = number.wrapping_mul(10).wrapping_add(i32::from(byte - b'0'));
            } else if number > 0 {
                act(Pid::from_raw(number));
                number = 0;
            }
        }
    }
}

/// Calls `act` with the name of every directory in this one.
pub(super) fn each_child(dir: BorrowedFd<'_>, mut act: impl FnMut(&CStr)) {
    // A descriptor of its own: the position in a directory belongs to the open file.
    let Ok(listing) = open_dir(dir, c".") else { return };
    let mut buffer = [0_u8; 2048];
    loop {
        // SAFETY: the kernel writes at most buffer.len() bytes into the buffer, which outlives the call.
        let length = unsafe {
            libc::syscall(libc::SYS_getdents64, listing.as_raw_fd(), buffer.as_mut_ptr(), buffer.len())
        };
        let Ok(length @ 1..) = usize::try_from(length) else { return };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((entry, after)) = split_entry(rest) {
            rest = after;
            if let Some(name) = directory_name(entry) {
                act(name);
            }
        }
    }
}

/// Splits the first `struct linux_dirent64` (inode 8 bytes, offset 8, length 2, type 1, name) off the bytes.
fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u16::from_ne_bytes([*bytes.get(16)?, *bytes.get(17)?]);
    bytes.split_at_checked(usize::from(length).max(19))
}

fn directory_name(entry: &[u8]) -> Option<&CStr> {
    let name = CStr::from_bytes_until_nul(entry.get(19..)?).ok()?;
    let is_directory = entry.get(18) == Some(&libc::DT_DIR);
    (is_directory && name != c"." && name != c"..").then_some(name)
}
