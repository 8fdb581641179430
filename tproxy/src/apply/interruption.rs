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
        let ignored = ignored();
        let asking = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter();
        let signals: SigSet = asking.filter(|signal| !is_in(ignored, *signal)).collect();
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
