//! Watches over a run of many variants: says now and then how far it is, and lets it end early when it is told to.
//!
//! Must never end a variant in the midst of its steps, unless it is told a second time.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// How often it says how far the run is.
const EVERY: Duration = Duration::from_secs(10);
/// What a shell gives for a command that SIGINT ended.
pub(super) const INTERRUPTED: u8 = 130;

/// A run that is watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How many variants there are.
    all: usize,
    ended: AtomicUsize,
    /// Those that run, and since when.
    running: Mutex<BTreeMap<String, Instant>>,
    interrupted: AtomicBool,
}

impl Watch {
    pub(super) fn new(all: usize) -> Self {
        Self { all, ..Self::default() }
    }

    /// Whether no more variants shall begin.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Does the work of one variant.
    pub(super) fn one<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let running = || self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running().insert(name.to_owned(), Instant::now());
        let done = work();
        running().remove(name);
        self.ended.fetch_add(1, Ordering::Relaxed);
        done
    }

    /// Watches while `work` is done.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let is_done = Notify::new();
        thread::scope(|scope| {
            let watching = scope.spawn(|| runtime.block_on(self.watch(&is_done)));
            let done = work();
            is_done.notify_one();
            watching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok(done)
        })
    }

    async fn watch(&self, is_done: &Notify) -> io::Result<()> {
        let [mut interrupt, mut terminate] =
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let mut clock = tokio::time::interval_at((Instant::now() + EVERY).into(), EVERY);
        loop {
            tokio::select! {
                () = is_done.notified() => return Ok(()),
                _ = clock.tick() => eprintln!("{}", self.progress()),
                _ = interrupt.recv() => self.interrupt(),
                _ = terminate.recv() => self.interrupt(),
            }
        }
    }

    fn interrupt(&self) {
        if self.interrupted.swap(true, Ordering::Relaxed) {
            // What is left of this process is cleared away by its janitor.
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("interrupted: what runs is ended first; once more ends it at once\n{}", self.progress());
    }

    fn progress(&self) -> String {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<String> =
            running.iter().map(|(name, since)| format!("{name} ({} s)", since.elapsed().as_secs())).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        format!("{} of {} have ended; running: {names}", self.ended.load(Ordering::Relaxed), self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_many_have_ended_and_which_run() {
        let watch = Watch::new(3);
        watch.one("a", || ());
        let told = watch.one("b", || watch.progress());
        assert_eq!(told, "1 of 3 have ended; running: b (0 s)");
        assert_eq!(watch.progress(), "2 of 3 have ended; running: nothing");
    }
}
