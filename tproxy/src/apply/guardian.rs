//! The guardian: a process that returns the state before an installation unless somebody confirms it in time.
//!
//! It is started before the first change, and nothing ends it with a terminal. What it guards stands in the journal: it
//! knows nothing itself, and looks there when it is rung and when time is up. It is rung by connecting to its socket, an
//! abstract one, which belongs to the network namespace as the lock does. Whoever holds the lock and finds the socket
//! can rely on it: a guardian gives it up only under the lock. Must never hold the lock while it waits.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, connect, getsockopt, listen, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::fault;
use crate::host::sockets::{self, SocketOwner};
use crate::process::{self, ProcessError};

/// Name of its socket, in the abstract namespace.
const NAME: &[u8] = b"tproxy/guardian";
/// The verb that it runs as.
const VERB: &str = "guard";
/// This program, even where its file was replaced or deleted.
const PROGRAM: &str = "/proc/self/exe";
/// Who may ring at a time.
const BELLS: i32 = 128;

/// Why nobody guards.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// Somebody without privileges took the name.
    #[error(
        "the guardian's socket of this network namespace is held by {}, who is not root: end that process",
        owner(.0.as_ref())
    )]
    NotRoot(Option<SocketOwner>),
    /// The process cannot be started.
    #[error("the guardian, who returns the state before: {0}")]
    Start(#[from] ProcessError),
    /// Somebody else started it.
    #[error("guard is started by `install --confirm-within` alone")]
    ByHand,
    /// The socket itself failed.
    #[error("the guardian's socket: {0}")]
    Socket(#[from] io::Error),
}

impl From<Errno> for GuardianError {
    fn from(error: Errno) -> Self {
        Self::Socket(error.into())
    }
}

fn owner(owner: Option<&SocketOwner>) -> String {
    owner.map_or_else(|| "a process".to_owned(), |SocketOwner { pid, uid }| format!("pid {pid} of uid {uid}"))
}

/// Sees to it that there is a guardian, who looks into the journal as soon as the lock is free. The caller holds the lock.
///
/// # Errors
/// There is none, and none can be started.
pub fn start() -> Result<(), GuardianError> {
    if ring()?.is_some() {
        return Ok(());
    }
    let post = match UnixListener::bind_addr(&SocketAddr::from_abstract_name(NAME)?) {
        Ok(post) => post,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return Err(GuardianError::NotRoot(sockets::owner_of_abstract(NAME)));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(process::start_alone(Path::new(PROGRAM), "tproxy", &[VERB], post.into(), fault::spare)?)
}

/// Whether there is a guardian.
#[must_use]
pub fn is_there() -> bool {
    ring().is_ok_and(|bell| bell.is_some())
}

/// A guardian who was rung.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// Waits until it has looked into the journal, which it does under the lock, or has ended.
    ///
    /// # Errors
    /// The kernel refuses to wait.
    pub fn wait(&self, within: Duration) -> Result<(), Errno> {
        let mut events = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let within = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
        poll(&mut events, within).map(|_| ())
    }
}

/// Asks the guardian to look into the journal; `None` where there is none.
///
/// # Errors
/// Somebody else has its name.
pub fn ring() -> Result<Option<Bell>, GuardianError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let bell = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(bell.as_raw_fd(), &UnixAddr::new_abstract(NAME)?) {
        Ok(()) => {}
        Err(Errno::ECONNREFUSED) => return Ok(None),
        // Many ring already.
        Err(Errno::EAGAIN) => return Ok(Some(Bell(bell))),
        Err(error) => return Err(error.into()),
    }
    let peer = getsockopt(&bell, sockopt::PeerCredentials)?;
    if peer.uid() == 0 {
        Ok(Some(Bell(bell)))
    } else {
        Err(GuardianError::NotRoot(Some(SocketOwner { pid: peer.pid(), uid: peer.uid() })))
    }
}

/// Where a guardian waits.
#[derive(Debug)]
pub struct Post {
    socket: UnixListener,
    timer: TimerFd,
    /// Who rang, and waits for the hang-up.
    ringing: Option<UnixStream>,
}

impl Post {
    /// That of the process that [`start`] has started.
    ///
    /// # Errors
    /// This process is none.
    pub fn taken() -> Result<Self, GuardianError> {
        let socket = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
        let is_post = |address: SocketAddr| address.as_abstract_name() == Some(NAME);
        if !socket.local_addr().is_ok_and(is_post) {
            return Err(GuardianError::ByHand);
        }
        // The socket ends with the post, and says from now on whose it is.
        nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        listen(&socket, Backlog::new(BELLS)?)?;
        socket.set_nonblocking(true)?;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { socket, timer, ringing: None })
    }

    /// Waits until root rings, at most until `deadline`, a time since the boot. Whoever rings waits for the next wait, or the
    /// end of this process.
    ///
    /// # Errors
    /// The kernel refuses to wait.
    pub fn wait(&mut self, deadline: Duration) -> Result<(), GuardianError> {
        self.ringing = None;
        let expiration = Expiration::OneShot(TimeSpec::from_duration(deadline));
        self.timer.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        loop {
            let mut events = [
                PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut events, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if events.first().and_then(PollFd::any) == Some(true) {
                return Ok(());
            }
            match self.socket.accept() {
                Ok((bell, _)) if getsockopt(&bell, sockopt::PeerCredentials)?.uid() == 0 => {
                    self.ringing = Some(bell);
                    return Ok(());
                }
                // Of nobody who may, or nobody there any more.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
