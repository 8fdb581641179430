//! The janitor: a process that outlives this one, however it ends, and removes its cgroups.
//!
//! It is forked from a program that may have many threads, so after the fork it makes system calls only: no
//! allocation, no lock, no panic. It holds nothing of its parent's but one end of a pipe and the directory.
#![expect(unsafe_code, reason = "fork, and closing every inherited descriptor")]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::stat::Mode;
use nix::unistd::{
    ForkResult, Pid, UnlinkatFlags, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, read, setsid,
    unlinkat,
};

use super::child::wait_for_exit;
use super::sweep;

/// How long the janitor goes on trying after its parent is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a parent waits for the janitor it dismissed.
const DISMISSAL: Duration = Duration::from_secs(2);

/// The living janitor of this process.
#[derive(Debug)]
pub(super) struct Janitor {
    pid: Pid,
    /// When the last copy of this end closes, the janitor sets to work.
    lifeline: Option<OwnedFd>,
}

impl Janitor {
    /// Forks the janitor of the cgroup `name` in the directory `base`. To be called before this process moves
    /// into that cgroup, or the janitor would keep it populated.
    pub(super) fn employ(base: BorrowedFd<'_>, name: &str) -> nix::Result<Self> {
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        let null = open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
        let (lifeline_end, lifeline) = pipe2(OFlag::O_CLOEXEC)?;
        let parent = Pid::this();
        // SAFETY: the child calls `work`, which keeps to system calls and never returns.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self { pid: child, lifeline: Some(lifeline) }),
            ForkResult::Child => {
                work(&Job { null: null.as_fd(), lifeline: lifeline_end.as_fd(), base, name: &name, parent })
            }
        }
    }
}

impl Drop for Janitor {
    /// Dismisses the janitor: it finds nothing to do, or does it, and is reaped.
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = wait_for_exit(self.pid, DISMISSAL);
    }
}

struct Job<'a> {
    null: BorrowedFd<'a>,
    lifeline: BorrowedFd<'a>,
    base: BorrowedFd<'a>,
    name: &'a CStr,
    parent: Pid,
}

fn work(job: &Job<'_>) -> ! {
    detach(job);
    wait_for_parent(job.lifeline);
    if let Ok(tree) = sweep::open_dir(job.base, job.name) {
        sweep::empty(tree.as_fd(), job.parent, PATIENCE);
        sweep::remove_below(tree.as_fd());
        let _ = unlinkat(job.base, job.name, UnlinkatFlags::RemoveDir);
    }
    // SAFETY: ends the process without running the parent's exit handlers.
    unsafe { libc::_exit(0) }
}

/// Lets go of everything inherited: session, signals, directory, standard streams, descriptors. Errors leave
/// the janitor less tidy, not less able, so they are passed over.
fn detach(job: &Job<'_>) {
    let _ = setsid();
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGPIPE] {
        // SAFETY: ignoring a signal installs no handler code.
        let _ = unsafe { sigaction(signal, &ignore) };
    }
    let _ = nix::sys::prctl::set_name(c"netsim-janitor");
    let _ = chdir(c"/");
    let _ = dup2_stdin(job.null);
    let _ = dup2_stdout(job.null);
    let _ = dup2_stderr(job.null);
    let (first, second) = {
        let (a, b) = (job.lifeline.as_raw_fd(), job.base.as_raw_fd());
        (a.min(b), a.max(b))
    };
    close_range(libc::STDERR_FILENO + 1, first - 1);
    close_range(first + 1, second - 1);
    close_range(second + 1, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    /// Before Linux 5.9 there is no close_range; descriptors above this are then left open.
    const HIGHEST_TRIED: RawFd = 4096;
    if first > last {
        return;
    }
    // SAFETY: this process is a fresh fork in which no value owns these descriptors any more but leaked ones.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    for descriptor in first..=last.min(HIGHEST_TRIED) {
        // SAFETY: as above.
        unsafe { libc::close(descriptor) };
    }
}

/// Returns at the end of file, which comes when the parent is gone or has let go.
fn wait_for_parent(lifeline: BorrowedFd<'_>) {
    let mut byte = [0_u8; 1];
    while matches!(read(lifeline, &mut byte), Ok(1..) | Err(Errno::EINTR)) {}
}
