//! Child processes: started so that they cannot outlive the thread that started them, waited for through a
//! descriptor and reaped by it. Nothing here decides what to start.
#![expect(unsafe_code, reason = "pidfd_open, wait4 and what a child does before exec have no safe wrappers")]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::forks::Fork;

/// How long a killed child may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal of this number killed it.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
        }
    }
}

/// A process that has ended and was reaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reaped {
    pub(super) exit: Exit,
    /// The processor time that it used, user and system.
    pub(super) cpu: Duration,
}

/// What a child's standard streams are connected to.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// A running child of this process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    /// Readable when the process has ended.
    ended: AsyncFd<OwnedFd>,
    reaped: bool,
}

impl Child {
    /// Starts a program. The kernel kills it when the calling thread ends. Inside a runtime.
    pub(super) fn spawn(command: &mut Command) -> io::Result<(Self, Pipes)> {
        let parent = Pid::this();
        // SAFETY: between fork and exec the closure makes two system calls and touches no memory of the parent's.
        unsafe {
            command.pre_exec(move || {
                set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before that call.
                if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
            })
        };
        // A process group of its own: Ctrl-C is for netsim, which ends its programs itself.
        command.process_group(0);
        let fork = Fork::begin();
        let spawned = command.spawn();
        drop(fork);
        let mut child = spawned?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let pipes =
            Pipes { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        match pidfd_open(pid).and_then(watch) {
            Ok(ended) => Ok((Self { pid, ended, reaped: false }, pipes)),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The process, for others to send signals to.
    pub(super) fn target(&self) -> io::Result<Target> {
        Ok(Target { pid: self.pid, process: self.ended.get_ref().try_clone()? })
    }

    /// Waits until the process has ended, and reaps it.
    pub(super) async fn exited(&mut self) -> io::Result<Reaped> {
        loop {
            let mut guard = self.ended.readable().await?;
            if let Some(reaped) = reap(self.pid)? {
                self.reaped = true;
                return Ok(reaped);
            }
            guard.clear_ready();
        }
    }
}

/// A process that signals can be sent to, even after its number was given to another.
#[derive(Debug)]
pub(super) struct Target {
    pid: Pid,
    process: OwnedFd,
}

impl Target {
    /// The process id.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal by number.
    pub(super) fn signal(&self, number: i32) -> nix::Result<()> {
        let process = self.process.as_raw_fd();
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo is allowed and not read; the rest are integers.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, number, no_info, 0) };
        Errno::result(sent).map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = wait_for_exit(self.pid, DYING);
        }
    }
}

/// Blocks until a child has ended, and reaps it. None when the deadline came first.
pub(super) fn wait_for_exit(pid: Pid, within: Duration) -> io::Result<Option<Reaped>> {
    let ended = pidfd_open(pid)?;
    let deadline = Instant::now() + within;
    loop {
        if let Some(reaped) = reap(pid)? {
            return Ok(Some(reaped));
        }
        let Some(left) = deadline.checked_duration_since(Instant::now()) else { return Ok(None) };
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(ended.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: two integers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just made this descriptor for us, close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts a process's descriptor under the runtime's eyes.
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open and the same for as long as the AsyncFd owns it.
    Ok(unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }?)
}

/// Reaps a child if it has ended.
fn reap(pid: Pid) -> nix::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: wait4 writes to the two places, which live until it returns.
    let waited = unsafe { libc::wait4(pid.as_raw(), &raw mut status, libc::WNOHANG, &raw mut usage) };
    if Errno::result(waited)? == 0 {
        return Ok(None);
    }
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Ok(Some(Reaped { exit, cpu: duration(usage.ru_utime) + duration(usage.ru_stime) }))
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
