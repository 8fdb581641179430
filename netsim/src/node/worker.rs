//! A thread with a single-threaded runtime that is fed closures over a channel: what a node and an actor have in
//! common.
//!
//! The runtime's handle never leaves the thread: whoever holds one could start pool threads from outside, in the
//! wrong namespaces. Every wait from outside has a deadline.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::error::{NodeError, SetupError};
use super::namespaces::Namespaces;
use crate::patience::patient;

/// How much longer than the job's own deadline the caller waits to hear of it.
const GRACE: Duration = Duration::from_millis(500);

/// How long blocking work of a runtime may go on when its thread ends.
const POOL_GRACE: Duration = Duration::from_secs(1);

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;
type Job = Box<dyn FnOnce() -> LocalFuture + Send>;

enum Message {
    Run(Job),
    Stop,
}

/// The outside of a worker thread.
#[derive(Clone)]
pub(super) struct Worker {
    name: Arc<str>,
    jobs: UnboundedSender<Message>,
    died: Arc<OnceLock<String>>,
    thread: Arc<Mutex<Option<Thread>>>,
}

struct Thread {
    /// Disconnected when the thread's work is over.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

/// A worker whose thread was started and is preparing itself.
#[derive(Debug)]
pub(super) struct Starting<P> {
    worker: Worker,
    prepared: Receiver<Result<P, SetupError>>,
}

impl Worker {
    /// Starts a thread from the calling one, whose namespaces and cgroup it inherits. `prepare` is the first
    /// thing that it does; then it works off jobs.
    pub(super) fn start<P: Send + 'static>(
        name: &str,
        prepare: impl FnOnce() -> Result<(P, Arc<Namespaces>), SetupError> + Send + 'static,
    ) -> Result<Starting<P>, NodeError> {
        let (jobs, queue) = unbounded_channel();
        let (ready, prepared) = sync_channel(1);
        let (ending, ended) = sync_channel::<()>(0);
        let body = move || {
            let _ending = ending;
            let outcome = prepare().and_then(|(value, namespaces)| Ok((value, runtime(namespaces)?)));
            match outcome {
                Ok((value, runtime)) => {
                    if ready.send(Ok(value)).is_ok() {
                        work(runtime, queue);
                    }
                }
                // Nobody waits any more: then nobody wants to know either.
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        let handle = Builder::new().name(name.to_owned()).spawn(body).map_err(|source| NodeError::Setup {
            thread: name.to_owned(),
            source: SetupError::Thread { source },
        })?;
        let worker = Self {
            name: name.into(),
            jobs,
            died: Arc::default(),
            thread: Arc::new(Mutex::new(Some(Thread { ended, handle }))),
        };
        Ok(Starting { worker, prepared })
    }

    /// The thread's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Gives the thread a job, to be waited for with [`Pending::wait`].
    pub(super) fn submit<T, F, Fut>(&self, within: Duration, job: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let (reply, answer) = sync_channel(1);
        let deadline = Instant::now() + within;
        let pending = Pending { worker: self.clone(), answer, within, deadline: deadline + patient(GRACE) };
        let name = Arc::clone(&self.name);
        let run = move || -> LocalFuture { Box::pin(supervise(name, within, job, reply)) };
        // A send fails when the thread has ended. Then the reply channel is closed, and `wait` says so.
        let _ = self.jobs.send(Message::Run(Box::new(run)));
        pending
    }

    /// Runs a job on the thread and waits for its value.
    pub(super) fn run<T, F, Fut>(&self, within: Duration, job: F) -> Result<T, NodeError>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        self.health()?;
        self.submit(within, job).wait()
    }

    /// An error when the worker's service has died.
    pub(super) fn health(&self) -> Result<(), NodeError> {
        if self.died.get().is_some() { Err(self.ended()) } else { Ok(()) }
    }

    /// Runs `setup` and, when it succeeds, leaves the service that it returns running in the background. If the
    /// service panics or fails, the worker counts as dead.
    pub(super) fn serve<T, E, F, Fut, S>(&self, within: Duration, setup: F) -> Result<Result<T, E>, NodeError>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(T, S), E>> + 'static,
        S: Future<Output = Result<(), String>> + 'static,
    {
        let died = Arc::clone(&self.died);
        self.run(within, move || async move {
            let (value, service) = setup().await?;
            let service = spawn_local(service);
            spawn_local(async move {
                let failure = match service.await {
                    Ok(outcome) => outcome.err(),
                    Err(error) => error.try_into_panic().ok().map(|panic| panic_text(panic.as_ref())),
                };
                if let Some(failure) = failure {
                    // Only the first death is told.
                    let _ = died.set(failure);
                }
            });
            Ok(value)
        })
    }

    /// Tells the thread to end, without waiting.
    pub(super) fn stop(&self) {
        // It fails when the thread has ended, which is what is wanted.
        let _ = self.jobs.send(Message::Stop);
    }

    /// Stops the thread and waits until it has ended: all of its tasks are cancelled.
    pub(super) fn join(&self, within: Duration) -> Result<(), NodeError> {
        self.stop();
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let Thread { ended, handle } = thread;
        match ended.recv_timeout(within) {
            Err(RecvTimeoutError::Timeout) => {
                Err(NodeError::Deadline { thread: self.name.to_string(), what: "ending", within })
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => handle.join().map_err(|panic| NodeError::Died {
                thread: self.name.to_string(),
                why: panic_text(panic.as_ref()),
            }),
        }
    }

    fn ended(&self) -> NodeError {
        let thread = self.name.to_string();
        match self.died.get() {
            Some(why) => NodeError::Died { thread, why: why.clone() },
            None => NodeError::Ended { thread },
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Worker").field(&self.name).finish()
    }
}

impl<P> Starting<P> {
    /// Waits until the thread is ready for jobs.
    pub(super) fn wait(self, within: Duration) -> Result<(Worker, P), NodeError> {
        let Self { worker, prepared } = self;
        let thread = worker.name.to_string();
        match prepared.recv_timeout(within) {
            Ok(Ok(value)) => Ok((worker, value)),
            Ok(Err(source)) => {
                worker.join(patient(GRACE))?;
                Err(NodeError::Setup { thread, source })
            }
            Err(RecvTimeoutError::Timeout) => {
                worker.stop();
                Err(NodeError::Deadline { thread, what: "setting up", within })
            }
            Err(RecvTimeoutError::Disconnected) => {
                worker.join(patient(GRACE))?;
                Err(worker.ended())
            }
        }
    }
}

/// A job that was given to a thread.
#[derive(Debug)]
#[must_use = "wait for the job, or its error is lost"]
pub struct Pending<T> {
    worker: Worker,
    answer: Receiver<Result<T, NodeError>>,
    within: Duration,
    deadline: Instant,
}

impl<T> Pending<T> {
    /// Waits for the job's value.
    ///
    /// # Errors
    /// When the job panicked, was not done within its deadline, or its thread has ended.
    pub fn wait(self) -> Result<T, NodeError> {
        let Self { worker, answer, within, deadline } = self;
        match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Disconnected) => Err(worker.ended()),
            // The job blocks its thread, or it would have been cancelled by now.
            Err(RecvTimeoutError::Timeout) => {
                let thread = worker.name.to_string();
                Err(NodeError::Deadline { thread, what: "a job, which blocks the thread,", within })
            }
        }
    }
}

/// Runs a job as a task of its own, so that its panic or its taking too long is its own business.
async fn supervise<T, F, Fut>(
    name: Arc<str>,
    within: Duration,
    job: F,
    reply: SyncSender<Result<T, NodeError>>,
) where
    T: 'static,
    F: FnOnce() -> Fut + 'static,
    Fut: Future<Output = T> + 'static,
{
    let task = spawn_local(async move { job().await });
    let abort = task.abort_handle();
    let thread = name.to_string();
    let outcome = match tokio::time::timeout(within, task).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => Err(NodeError::JobPanicked { thread, panic: panic_text(panic.as_ref()) }),
            Err(_) => Err(NodeError::Ended { thread }),
        },
        Err(_) => {
            abort.abort();
            Err(NodeError::Deadline { thread, what: "a job", within })
        }
    };
    // Whoever gave the job may have stopped waiting.
    let _ = reply.send(outcome);
}

fn runtime(namespaces: Arc<Namespaces>) -> Result<Runtime, SetupError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || admit(&namespaces))
        .build()
        .map_err(|source| SetupError::Runtime { source })
}

#[expect(clippy::panic, reason = "a pool thread outside of its node must not run a single instruction of it")]
fn admit(namespaces: &Namespaces) {
    if let Err(error) = namespaces.admit_pool_thread() {
        panic!("a pool thread cannot enter its node: {error}");
    }
}

/// Works off jobs until told to stop; then cancels what is still running.
fn work(runtime: Runtime, mut queue: UnboundedReceiver<Message>) {
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async move {
        while let Some(Message::Run(job)) = queue.recv().await {
            spawn_local(job());
        }
    });
    {
        // Tasks let go of their sockets and timers inside the runtime that made them.
        let _context = runtime.enter();
        drop(tasks);
    }
    runtime.shutdown_timeout(patient(POOL_GRACE));
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
