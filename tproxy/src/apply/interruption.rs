//! Signals that ask to end, put off while the system is being changed.
//!
//! Must never lose one: whoever sent it sees the process end by it once the work is done or taken back.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Puts SIGINT, SIGTERM and SIGHUP off until it is dropped.
#[derive(Debug)]
pub struct Interruptions {
    file: SignalFd,
    before: SigSet,
    caught: Cell<Option<Signal>>,
}

impl Interruptions {
    /// Puts them off for this thread and those that it starts from now on, programs included.
    ///
    /// # Errors
    /// The kernel has no descriptor left.
    pub fn put_off() -> Result<Self, Errno> {
        let ignored = ignored();
        let asking = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter();
        let signals: SigSet = asking.filter(|signal| !is_in(ignored, *signal)).collect();
        let before = signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        let file = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { file, before, caught: Cell::new(None) })
    }

    /// Pauses that such a signal ends, as long as it was not asked for.
    pub(super) fn rest(&self) -> Rest<'_> {
        Rest { signals: Some(self.file.as_fd()) }
    }

    /// The first signal that came since.
    pub fn pending(&self) -> Option<Signal> {
        if self.caught.get().is_none() {
            let read = self.file.read_signal().ok().flatten();
            let signal = read.and_then(|info| i32::try_from(info.ssi_signo).ok());
            self.caught.set(signal.and_then(|number| Signal::try_from(number).ok()));
        }
        self.caught.get()
    }
}

/// Pauses between two tries, in whatever thread they are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    /// Readable when a signal asks to end.
    signals: Option<BorrowedFd<'a>>,
}

impl Rest<'_> {
    /// Pauses that nothing ends.
    pub(super) const UNDISTURBED: Self = Self { signals: None };

    /// Rests so long, and says whether it did: a signal that asks to end ends the pause.
    pub(super) fn is_whole(self, pause: Duration) -> bool {
        let Some(signals) = self.signals else {
            std::thread::sleep(pause);
            return true;
        };
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let wait = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(signals, PollFlags::POLLIN)], wait) {
                Ok(0) | Err(Errno::EINTR) => {}
                // With a descriptor that cannot be waited for, there is no pause.
                Ok(_) | Err(_) => return false,
            }
        }
    }
}

/// The signals that whoever started this process had it ignore (nohup, a shell's background job), as a mask.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn is_in(mask: u64, signal: Signal) -> bool {
    mask >> (signal as i32 - 1) & 1 == 1
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        let caught = self.pending();
        // Neither can fail for masks and signals that the kernel gave us.
        let _ = self.before.thread_set_mask();
        if let Some(signal) = caught {
            let _ = raise(signal);
        }
    }
}
