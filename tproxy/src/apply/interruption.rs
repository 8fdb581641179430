//! Signals that ask to end, put off while the system is being changed.
//!
//! Must never lose one: whoever sent it sees the process end by it once the work is done or taken back.

use std::cell::Cell;

use nix::errno::Errno;
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
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        let before = signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        let file = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { file, before, caught: Cell::new(None) })
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
