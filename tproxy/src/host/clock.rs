//! The time since the boot.
//!
//! Must never be the time of day, which people and programs set.

use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

/// The time since the boot, that in which the system slept included (`CLOCK_BOOTTIME`).
///
/// # Errors
/// The kernel has no such clock: it is older than 2.6.39.
pub fn since_boot() -> Result<Duration, Errno> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from)
}
