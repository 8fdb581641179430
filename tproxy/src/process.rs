//! Starting programs, and the system calls that no crate wraps. The only file with `unsafe` beside
//! `ebpf::kernel::call`.
//!
//! A program started here dies with the thread that started it, reads its input from memory that is complete before it
//! starts, and holds whatever descriptors are inheritable (the installation lock). It may be set apart from the caller's
//! network. One that is started alone, the guardian, does none of that. Must never go through a shell.

#![expect(unsafe_code, reason = "pre_exec and getsockopt have no safe form")]

use std::ffi::CStr;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getegid, geteuid, setsid, write};

/// How long a program that changes nothing may take. On a busy host with many thousand rules they take seconds.
pub(crate) const READING: Duration = Duration::from_secs(60);

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// It did not come to an end, and was killed.
    #[error("{command} did not finish in {}", in_words(*.within))]
    Hangs {
        /// Program and arguments.
        command: String,
        /// How long it had.
        within: Duration,
    },
    /// It said no.
    #[error("{command} failed ({status}): {stderr}")]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said, in one line.
        stderr: String,
    },
}

/// A time that somebody had. What is left of a limit may be anything.
pub(crate) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 => "the time that was left".to_owned(),
        seconds => format!("{seconds} s"),
    }
}

impl ProcessError {
    /// What the program ended with, where it came to an end of its own.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Failed { status, .. } => status.code(),
            Self::Start { .. } | Self::Hangs { .. } => None,
        }
    }
}

/// Where a program set apart runs, so that whatever it changes of a network ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    /// In a network namespace of its own; needs `CAP_SYS_ADMIN`.
    Network,
    /// In network and user namespaces of its own, as a root that has no other user id but its own.
    NetworkAndUser,
}

/// Runs `program` to its end with `input` on its standard input.
///
/// # Errors
/// It cannot be started, does not end `within` this time, or ends with anything but success.
pub(crate) fn run(
    program: &Path,
    arguments: &[&str],
    input: &str,
    within: Duration,
) -> Result<Output, ProcessError> {
    carry_out(program, arguments, input, within, |_| ())
}

/// Runs `program` like [`run`], set apart, with these environment variables beside the caller's.
///
/// # Errors
/// Its namespaces cannot be made, it cannot be started, or it ends with anything but success.
pub(crate) fn run_apart(
    apart: Apart,
    program: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
    input: &str,
    within: Duration,
) -> Result<Output, ProcessError> {
    let maps = id_maps();
    carry_out(program, arguments, input, within, |command| {
        command.envs(variables.iter().copied());
        // SAFETY: `leave` makes system calls only, and allocates nothing.
        unsafe {
            command.pre_exec(move || leave(apart, &maps));
        }
    })
}

fn carry_out(
    program: &Path,
    arguments: &[&str],
    input: &str,
    within: Duration,
    prepare: impl FnOnce(&mut Command),
) -> Result<Output, ProcessError> {
    let failed = |error| ProcessError::Start { program: program.to_owned(), error };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(file_of(input).map_err(failed)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    prepare(&mut command);
    // SAFETY: prctl is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(die_with_parent);
    }
    let child = command.spawn().map_err(failed)?;
    let output = match finish(child, within).map_err(failed)? {
        Some(output) => output,
        None => {
            let command = format!("{} {}", program.display(), arguments.join(" "));
            return Err(ProcessError::Hangs { command, within });
        }
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let command = format!("{} {}", program.display(), arguments.join(" "));
        let stderr = stderr.split('\n').filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(", ");
        return Err(ProcessError::Failed { command, status: output.status, stderr });
    }
    Ok(Output { stdout: String::from_utf8_lossy(&output.stdout).into_owned(), stderr })
}

/// Files of a child that make the caller root in a user namespace of its own, in the order in which the kernel takes
/// them (user_namespaces(7)), and what is written there.
fn id_maps() -> [(&'static CStr, String); 3] {
    [
        (c"/proc/self/setgroups", "deny".to_owned()),
        (c"/proc/self/gid_map", format!("0 {} 1", getegid())),
        (c"/proc/self/uid_map", format!("0 {} 1", geteuid())),
    ]
}

/// Leaves the caller's network; runs in the child, before it becomes the program.
fn leave(apart: Apart, maps: &[(&'static CStr, String)]) -> std::io::Result<()> {
    match apart {
        Apart::Network => unshare(CloneFlags::CLONE_NEWNET)?,
        Apart::NetworkAndUser => {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
            for (path, text) in maps {
                write(open(*path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?, text.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Waits for a program and what it prints; `None` when it had to be killed because time ran out.
fn finish(child: Child, within: Duration) -> std::io::Result<Option<std::process::Output>> {
    let process = Pid::from_raw(child.id().cast_signed());
    let (done, finished) = std::sync::mpsc::channel();
    // The program dies with the thread that started it, which is this one; another may wait for it.
    let waiting = std::thread::spawn(move || done.send(child.wait_with_output()));
    let in_time = finished.recv_timeout(within);
    if in_time.is_err() {
        // It is not waited for yet, so that its id is still its own.
        let _ = kill(process, Signal::SIGKILL);
    }
    let output = match in_time {
        Ok(output) => output.map(Some),
        Err(_) => finished.recv().map_or(Ok(None), |output| output.map(|_| None)),
    };
    // It has sent and ends.
    let _ = waiting.join();
    output
}

/// A file that exists in memory only: complete before the program starts, and without a name to guess.
fn file_of(text: &str) -> std::io::Result<Stdio> {
    if text.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(memfd_create("tproxy-input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// Starts `program`, called `name`, so that it lives on by itself: in a session of its own, which no terminal ends, with
/// `socket` on its standard input and no other descriptor of the caller's.
///
/// # Errors
/// It cannot be started.
pub(crate) fn start_alone(
    program: &Path,
    name: &str,
    arguments: &[&str],
    socket: OwnedFd,
    prepare: impl FnOnce(&mut Command),
) -> Result<(), ProcessError> {
    let failed = |error| ProcessError::Start { program: program.to_owned(), error };
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    prepare(&mut command);
    let inherited = inheritable().map_err(failed)?;
    // SAFETY: `leave_session` makes system calls only, and allocates nothing.
    unsafe {
        command.pre_exec(move || leave_session(&inherited));
    }
    command.spawn().map(drop).map_err(failed)
}

/// The descriptors that are open, but for the standard ones.
fn inheritable() -> std::io::Result<Vec<RawFd>> {
    let open = std::fs::read_dir("/proc/self/fd")?.flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(|number| *number > libc::STDERR_FILENO).collect())
}

/// Leaves the caller's session and descriptors; runs in the child, before it becomes the program.
fn leave_session(inherited: &[RawFd]) -> std::io::Result<()> {
    setsid()?;
    for descriptor in inherited {
        // SAFETY: F_SETFD takes a number and no pointer. That of the directory which named them is closed again.
        unsafe { libc::fcntl(*descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn die_with_parent() -> std::io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and no pointer.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// `SO_NETNS_COOKIE` of a socket, since Linux 5.14; `None` on older kernels.
pub(crate) fn netns_cookie(socket: RawFd) -> Option<u64> {
    let mut cookie = 0_u64;
    let mut size = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    // SAFETY: `cookie` and `size` live through the call, and `size` tells how many bytes `cookie` has.
    let result = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    (result == 0).then_some(cookie)
}

/// The user namespace that a namespace belongs to (`NS_GET_USERNS` of ioctl_nsfs(2)); `None` where this process may not know.
pub(crate) fn owner_of_namespace(namespace: &File) -> Option<File> {
    use std::os::fd::{AsRawFd, FromRawFd};
    // SAFETY: the request takes no argument.
    let owner = unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS) };
    // SAFETY: the kernel gave the descriptor to this process, and nobody else has it.
    (owner >= 0).then(|| File::from(unsafe { OwnedFd::from_raw_fd(owner) }))
}
