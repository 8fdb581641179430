//! Threads with an identity of their own inside a node: whoever owns sockets is one of these.
//!
//! An actor never changes its identity again, and nothing but it and its programs is in its cgroup.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::cgroup::Cgroup;
use super::error::{NodeError, SetupError};
use super::forks;
use super::identity::Identity;
use super::namespaces::Namespaces;
use super::spec::check_name;
use super::worker::{Pending, Worker};

/// A thread of its own in a node, with real, effective and file-system ids and a cgroup of its own. It ends when
/// this value is dropped, or with its node.
#[derive(Debug)]
pub struct Actor {
    shared: Arc<ActorShared>,
    identity: Identity,
}

/// What an actor and its node share: either can end it.
#[derive(Debug)]
pub(super) struct ActorShared {
    worker: Worker,
    cgroup: Mutex<Option<Cgroup>>,
    deadline: Duration,
}

impl Actor {
    /// Starts an actor from its node's thread, so that it is born in the node's namespaces.
    pub(super) fn start(
        node: &Worker,
        namespaces: &Arc<Namespaces>,
        parent: &Cgroup,
        (name, identity): (&str, Identity),
        deadline: Duration,
    ) -> Result<Self, NodeError> {
        check_name(name)?;
        let full_name = format!("{}/{name}", node.name());
        let failed = |source| NodeError::Setup { thread: full_name.clone(), source };
        let cgroup = parent.create_child(name).map_err(|error| failed(error.into()))?;
        let entrance = cgroup.entrance().map_err(|error| failed(error.into()))?;
        let (namespaces, thread) = (Arc::clone(namespaces), full_name.clone());
        let starting = node.run(deadline, move || async move {
            Worker::start(&thread, move || {
                entrance.enter()?;
                identity.assume().map_err(|source| SetupError::Identity { identity, source })?;
                Ok(((), namespaces))
            })
        })??;
        let (worker, ()) = starting.wait(deadline)?;
        let shared = ActorShared { worker, cgroup: Mutex::new(Some(cgroup)), deadline };
        Ok(Self { shared: Arc::new(shared), identity })
    }

    /// The actor's name, with its node's: `pod/app`.
    pub fn name(&self) -> &str {
        self.shared.worker.name()
    }

    /// Who the actor is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Runs a job on the actor's thread and waits for its value. Tasks that it spawns with
    /// [`tokio::task::spawn_local`] go on until the actor ends.
    ///
    /// # Errors
    /// When the job panics or is not done within the node's deadline, or the actor has ended.
    pub fn run<T, F, Fut>(&self, job: F) -> Result<T, NodeError>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        self.shared.worker.run(self.shared.deadline, job)
    }

    /// As [`Actor::run`], with a deadline of its own and without waiting.
    pub fn submit<T, F, Fut>(&self, within: Duration, job: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        self.shared.worker.submit(within, job)
    }

    /// Starts a service. `setup` returns, once it is ready to serve, a value for the caller and the future that
    /// serves; that future goes on in the background until the actor ends. When it panics or fails the actor is dead:
    /// [`Actor::health`] and every later job say so, with the text of the panic or the error.
    ///
    /// # Errors
    /// The outer one as [`Actor::run`]; the inner one is that of `setup`.
    pub fn serve<T, E, F, Fut, S>(&self, setup: F) -> Result<Result<T, E>, NodeError>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(T, S), E>> + 'static,
        S: Future<Output = Result<(), String>> + 'static,
    {
        self.shared.worker.serve(self.shared.deadline, setup)
    }

    /// Whether the actor's service still lives.
    ///
    /// # Errors
    /// When it died, with the text of its panic.
    pub fn health(&self) -> Result<(), NodeError> {
        self.shared.worker.health()
    }

    /// Ends the actor as dropping it does, and tells what went wrong.
    ///
    /// # Errors
    /// When the thread does not end, or its cgroup cannot be removed.
    pub fn stop(self) -> Result<(), NodeError> {
        self.shared.end()
    }

    /// Kills the programs that the actor started, and what they started.
    pub(super) fn kill_processes(&self) {
        self.shared.kill_processes();
    }

    pub(super) fn downgrade(&self) -> Weak<ActorShared> {
        Arc::downgrade(&self.shared)
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Err(error) = self.shared.end() {
            eprintln!("netsim: {error}");
        }
    }
}

impl ActorShared {
    /// Sets the end in motion without waiting for it.
    pub(super) fn stop(&self) {
        self.kill_processes();
        self.worker.stop();
    }

    /// Ends the thread, sees its sockets gone, then removes its cgroup: a thread must be gone before its cgroup can go.
    pub(super) fn end(&self) -> Result<(), NodeError> {
        // Programs first: their actor reaps them while it ends.
        self.kill_processes();
        let joined = self.worker.join(self.deadline);
        forks::settle();
        let cgroup = self.cgroup.lock().unwrap_or_else(PoisonError::into_inner).take();
        let removed = cgroup.map_or(Ok(()), Cgroup::remove).map_err(|source| NodeError::Setup {
            thread: self.worker.name().to_owned(),
            source: source.into(),
        });
        joined.and(removed)
    }

    fn kill_processes(&self) {
        if let Some(cgroup) = self.cgroup.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            cgroup.kill_processes();
        }
    }
}
