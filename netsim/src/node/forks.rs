//! Forks in flight. Between its fork and its exec a child holds a copy of every descriptor of this process, so a
//! socket that was closed meanwhile is still open: its port is taken, its other end hears nothing. Whoever must be
//! sure that a socket is gone waits here.

use std::collections::BTreeSet;
use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::watched::Watched;
use crate::patience::patient;

/// An exec takes a millisecond on an idle machine. One that takes longer than this is not waited for.
const EXEC: Duration = Duration::from_secs(5);

static NEXT: AtomicU64 = AtomicU64::new(0);
static IN_FLIGHT: LazyLock<Watched<BTreeSet<u64>>> = LazyLock::new(Watched::default);

/// A fork in flight, from before the fork until this is dropped after the exec.
pub(super) struct Fork(u64);

impl Fork {
    pub(super) fn begin() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        IN_FLIGHT.change(|forks| forks.insert(number));
        Self(number)
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        IN_FLIGHT.change(|forks| forks.remove(&self.0));
    }
}

/// What a program says that runs beside all nodes, as by [`Command::output`]; its fork is waited for as those of nodes are.
///
/// # Errors
/// It cannot be started.
pub fn output_of(command: &mut Command) -> io::Result<Output> {
    let fork = Fork::begin();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    drop(fork);
    child?.wait_with_output()
}

/// Waits until all children that are now between fork and exec have let go of this process's descriptors.
pub(super) fn settle() {
    let current = IN_FLIGHT.look(Clone::clone);
    IN_FLIGHT.wait_for(patient(EXEC), |forks| forks.is_disjoint(&current).then_some(()));
}
