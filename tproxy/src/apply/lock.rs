//! One run at a time in a network namespace.
//!
//! The lock is a listening abstract unix socket: its name belongs to the network namespace, it needs no file, and it
//! ends with the last process that holds it. Children inherit it, so that a restore which outlives its tproxy still
//! excludes others. Waiting runs connect to it and are woken by the hang-up. Must never be held across a wait for the
//! user.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen, socket, sockopt,
};

use crate::host::sockets::{self, SocketOwner};
use crate::process::in_words;

/// Name of the socket, in the abstract namespace.
const NAME: &[u8] = b"tproxy/lock";
/// Runs that may wait at a time; more retry.
const WAITERS: i32 = 128;
/// How long to wait before looking again where there is no event to wait for.
const RETRY: Duration = Duration::from_millis(10);

/// Held until dropped, and by children until they end.
#[derive(Debug)]
pub struct Lock {
    _socket: OwnedFd,
}

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error(
        "another tproxy (pid {pid}, uid {uid}) is at work in this network namespace and did not finish in {}",
        in_words(*.waited)
    )]
    Held {
        /// Its process id, in its own pid namespace's view from here.
        pid: i32,
        /// Its user.
        uid: u32,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Somebody without privileges took the name.
    #[error(
        "the installation lock of this network namespace is held by pid {pid} of uid {uid}, who is not root: \
         end that process"
    )]
    NotRoot {
        /// Process that holds it.
        pid: i32,
        /// Its user.
        uid: u32,
    },
    /// Somebody holds the name and does not listen.
    #[error(
        "the installation lock of this network namespace is held by a process that does not answer; see `ss -xap`"
    )]
    Mute,
    /// The socket itself failed.
    #[error("cannot lock this network namespace: {0}")]
    Socket(#[from] Errno),
}

impl Lock {
    /// Waits for the lock, at most `timeout`.
    ///
    /// # Errors
    /// Another run keeps it, or somebody who must not have it does: that is told at once.
    pub fn acquire(timeout: Duration) -> Result<Self, LockError> {
        Self::acquire_named(NAME, timeout)
    }

    fn acquire_named(name: &[u8], timeout: Duration) -> Result<Self, LockError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(lock) = Self::try_acquire(name)? {
                return Ok(lock);
            }
            let holder = wait_for_holder(name, deadline)?;
            if Instant::now() >= deadline {
                return Err(match holder {
                    Some(SocketOwner { pid, uid }) => LockError::Held { pid, uid, waited: timeout },
                    None => LockError::Mute,
                });
            }
        }
    }

    fn try_acquire(name: &[u8]) -> Result<Option<Self>, LockError> {
        // Without SOCK_CLOEXEC: children hold the lock, too.
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
        match bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name)?) {
            Ok(()) => {
                listen(&socket, Backlog::new(WAITERS)?)?;
                Ok(Some(Self { _socket: socket }))
            }
            Err(Errno::EADDRINUSE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits until the holder is gone or the deadline has passed; the holder where one could be asked.
fn wait_for_holder(name: &[u8], deadline: Instant) -> Result<Option<SocketOwner>, LockError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), &UnixAddr::new_abstract(name)?) {
        Ok(()) => {}
        // Just bound and not listening yet, just gone, too many waiting, or somebody else's socket: no event tells when
        // to look again.
        Err(Errno::ECONNREFUSED | Errno::EAGAIN | Errno::EPROTOTYPE) => {
            let owner = sockets::owner_of_abstract(name);
            if let Some(SocketOwner { pid, uid }) = owner.filter(|owner| owner.uid != 0) {
                return Err(LockError::NotRoot { pid, uid });
            }
            poll(&mut [], remaining(deadline.min(Instant::now() + RETRY)))?;
            return Ok(owner);
        }
        Err(error) => return Err(error.into()),
    }
    let peer = getsockopt(&socket, sockopt::PeerCredentials)?;
    if peer.uid() != 0 {
        return Err(LockError::NotRoot { pid: peer.pid(), uid: peer.uid() });
    }
    let mut events = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut events, remaining(deadline))?;
    let holder = SocketOwner { pid: peer.pid(), uid: peer.uid() };
    // Whoever took the lock may be dead, and a program that it started holds it still.
    let is_alive = || Path::new("/proc").join(holder.pid.to_string()).exists();
    let now = || if is_alive() { None } else { sockets::owner_of_abstract(name) };
    Ok(Some(now().unwrap_or(holder)))
}

/// Rounded up: poll counts milliseconds, and returning early would mean asking again and again until the deadline.
fn remaining(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named_although_more_wait_than_its_queue_takes() {
        let name = format!("tproxy/test/crowd/{}", std::process::id());
        let _first = Lock::acquire_named(name.as_bytes(), Duration::from_secs(60)).unwrap();
        for _ in 0..=WAITERS + 1 {
            let refused = Lock::acquire_named(name.as_bytes(), Duration::ZERO).unwrap_err();
            assert!(!matches!(refused, LockError::Mute), "{refused}");
        }
    }

    #[test]
    fn the_second_waits_for_the_first_and_names_it_when_time_runs_out() {
        let name = format!("tproxy/test/{}", std::process::id());
        let acquire = |timeout| Lock::acquire_named(name.as_bytes(), timeout);
        let first = acquire(Duration::from_secs(60)).unwrap();
        let me = std::process::id().cast_signed();
        match acquire(Duration::from_millis(30)).unwrap_err() {
            LockError::Held { pid, .. } => assert_eq!(pid, me),
            LockError::NotRoot { pid, uid } => {
                assert_eq!((pid, uid), (me, nix::unistd::getuid().as_raw()));
                assert_ne!(uid, 0);
                return;
            }
            other => panic!("{other}"),
        }
        let (entered, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                entered.send(()).unwrap();
                acquire(Duration::from_secs(60))
            });
            waiting.recv().unwrap();
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }
}
