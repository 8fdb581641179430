//! Nodes: threads of this process, each in network, mount and cgroup namespaces of its own, and the actors and
//! programs that live in them.
//!
//! All of netsim's `unsafe`, `unshare`, `setns` and changes of identity are in this module. It never changes the
//! machine's own network namespace, its mounts, or a cgroup that it did not make.
//!
//! The ways in are [`Node::start`], [`Node::run`] for work on the node's own thread, [`Node::actor`] for a thread
//! with an identity, and [`Program`] for an external program. Every one of them has a deadline.
//!
//! ```no_run
//! use netsim::actor::{App, AppSpec, Attempt, Client, Outcome, Sidecar, SidecarSpec};
//! use netsim::link::{Network, NetworkOptions};
//! use netsim::node::{self, Finished, Identity, Program};
//! use netsim::topology::{IpFamily, Topology};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let topology = Topology::ready("pod-and-peer")?;
//! let mut options = NetworkOptions::default();
//! options.node("pod").programs.push(("tproxy".to_owned(), "target/debug/tproxy".into()));
//! let network = Network::up(&topology, &options)?;
//! let (pod, peer) = (network.node("pod")?, network.node("peer")?);
//!
//! let app = Identity::new(1000, 1000);
//! let sidecar = Sidecar::start(pod, SidecarSpec::new(Identity::new(5678, 5678)))?;
//! let _peer = App::start(peer, AppSpec::new("peer", app, [9000]))?;
//! Program::new("tproxy").arg("install").run(pod).and_then(Finished::checked)?;
//!
//! let client = Client::start(pod, "app", app)?;
//! for family in IpFamily::ALL {
//!     let to = topology.socket_address("peer:9000", family)?;
//!     if let Outcome::Answered { answer, .. } = client.connect(Attempt::to(to))? {
//!         println!("{to} was answered by {}, on its way to {:?}", answer.actor, answer.original_destination);
//!     }
//! }
//! println!("{:?}", sidecar.log().take());
//! network.down()?;
//! node::shutdown()?;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod actor;
mod cgroup;
mod child;
mod error;
mod files;
mod filesystem;
mod forks;
mod identity;
mod janitor;
mod loopback;
mod mountinfo;
mod namespaces;
mod packets;
mod process;
mod running;
mod spec;
mod subtree;
mod support;
mod sweep;
mod sysctl;
mod visit;
mod watched;
mod worker;

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub use accounts::Account;
pub use actor::Actor;
pub use cgroup::CgroupError;
pub use child::Exit;
pub use error::{NodeError, SetupError};
pub(crate) use files::check as check_file;
pub use forks::output_of;
pub use identity::Identity;
pub use namespaces::NetId;
pub(crate) use packets::packet_socket;
pub use process::{Finished, ProcessError, Program};
pub use running::Running;
pub use spec::NodeSpec;
pub use subtree::shutdown;
pub use support::{Unsupported, support};
pub(crate) use sysctl::check as check_sysctl;
pub use visit::{VisitError, visit};
pub use watched::Watched;
pub use worker::Pending;

use actor::ActorShared;
use cgroup::Cgroup;
use namespaces::Namespaces;
use subtree::Subtree;
use worker::{Starting, Worker};

/// A thread in namespaces of its own. Dropping it ends everything that runs in it, and the namespaces with it.
#[derive(Debug)]
pub struct Node {
    worker: Worker,
    namespaces: Arc<Namespaces>,
    deadline: Duration,
    actors: Mutex<Vec<Weak<ActorShared>>>,
    cgroup: Option<Cgroup>,
    // Dropped last: the process's subtree outlives the cgroups in it.
    _subtree: Arc<Subtree>,
}

/// A node whose thread is setting itself up.
#[derive(Debug)]
#[must_use = "wait for the node"]
pub struct StartingNode {
    starting: Starting<Arc<Namespaces>>,
    deadline: Duration,
    cgroup: Cgroup,
    subtree: Arc<Subtree>,
}

impl Node {
    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    /// When the specification cannot be met or the kernel refuses a step; [`support()`] says what is missing.
    pub fn start(spec: NodeSpec) -> Result<Self, NodeError> {
        Self::begin(spec)?.wait()
    }

    /// Begins to start a node, so that several can start side by side.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn begin(spec: NodeSpec) -> Result<StartingNode, NodeError> {
        spec.check()?;
        let name = spec.name.clone();
        let failed = |source: CgroupError| NodeError::Setup { thread: name.clone(), source: source.into() };
        let subtree = Subtree::current().map_err(failed)?;
        let cgroup = subtree.create_node(&spec.name).map_err(failed)?;
        let entrance = cgroup.entrance().map_err(failed)?;
        let deadline = spec.deadline;
        let starting = Worker::start(&name, move || {
            entrance.enter()?;
            let namespaces = Arc::new(Namespaces::unshare()?);
            furnish(&spec)?;
            Ok((Arc::clone(&namespaces), namespaces))
        })?;
        Ok(StartingNode { starting, deadline, cgroup, subtree })
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        self.worker.name()
    }

    /// The number of its network namespace.
    pub fn net_id(&self) -> NetId {
        self.namespaces.net_id()
    }

    /// Its network namespace, as a file: what netlink needs to place the end of a link there.
    pub fn net_namespace(&self) -> BorrowedFd<'_> {
        self.namespaces.net()
    }

    /// The thread that is in the node's namespaces and its cgroup while the node lives.
    pub fn thread(&self) -> i32 {
        self.namespaces.thread()
    }

    /// A command line that opens a shell in the node while it lives, for debugging.
    pub fn enter_command(&self) -> String {
        self.namespaces.enter_command()
    }

    /// How long a job on this node may take unless it is given its own time.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Runs a job on the node's thread, as root, and waits for its value. Tasks that it spawns with
    /// [`tokio::task::spawn_local`] go on until the node ends.
    ///
    /// # Errors
    /// When the job panics or is not done within the node's deadline, or the node has ended.
    pub fn run<T, F, Fut>(&self, job: F) -> Result<T, NodeError>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        self.worker.run(self.deadline, job)
    }

    /// As [`Node::run`], with a deadline of its own and without waiting: several nodes can work side by side.
    pub fn submit<T, F, Fut>(&self, within: Duration, job: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        self.worker.submit(within, job)
    }

    /// Starts a thread with an identity of its own in this node, in a cgroup of its own.
    ///
    /// # Errors
    /// When the kernel refuses, or the node has ended.
    pub fn actor(&self, name: &str, identity: Identity) -> Result<Actor, NodeError> {
        let cgroup = self.cgroup.as_ref().ok_or_else(|| self.ended())?;
        let actor = Actor::start(&self.worker, &self.namespaces, cgroup, (name, identity), self.deadline)?;
        let mut actors = self.actors.lock().unwrap_or_else(PoisonError::into_inner);
        actors.retain(|known| known.strong_count() > 0);
        actors.push(actor.downgrade());
        Ok(actor)
    }

    /// Writes a file in the node, below /run, /tmp or /etc, replacing what was there.
    ///
    /// # Errors
    /// When the path is not the node's own, or cannot be written.
    pub fn write_file(&self, path: impl AsRef<Path>, contents: impl Into<Vec<u8>>) -> Result<(), NodeError> {
        let (path, contents) = (path.as_ref().to_owned(), contents.into());
        self.set_up(move || files::write(&path, &contents))
    }

    /// Sets a kernel setting of the node's network namespace, such as `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// When the key is not below `net/`, or the kernel refuses the value.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<(), NodeError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.set_up(move || sysctl::set(&key, &value))
    }

    /// The processor time, user and system, that the node's threads, actors and programs have used so far. What the
    /// kernel does for a packet counts for whoever runs while it is done, which can be the node at the other end.
    ///
    /// # Errors
    /// When the kernel does not tell, or the node has ended.
    pub fn cpu_time(&self) -> Result<Duration, NodeError> {
        let cgroup = self.cgroup.as_ref().ok_or_else(|| self.ended())?;
        cgroup
            .cpu_time()
            .map_err(|source| NodeError::Setup { thread: self.name().to_owned(), source: source.into() })
    }

    /// Ends the node as dropping it does, and tells what went wrong.
    ///
    /// # Errors
    /// When a thread does not end or the node's cgroup cannot be removed.
    pub fn stop(mut self) -> Result<(), NodeError> {
        self.end()
    }

    fn set_up(
        &self,
        step: impl FnOnce() -> Result<(), SetupError> + Send + 'static,
    ) -> Result<(), NodeError> {
        let outcome = self.run(|| async move { step() })?;
        outcome.map_err(|source| NodeError::Setup { thread: self.name().to_owned(), source })
    }

    fn ended(&self) -> NodeError {
        NodeError::Ended { thread: self.name().to_owned() }
    }

    fn end(&mut self) -> Result<(), NodeError> {
        let Some(cgroup) = self.cgroup.take() else { return Ok(()) };
        let actors = std::mem::take(&mut *self.actors.lock().unwrap_or_else(PoisonError::into_inner));
        let actors: Vec<_> = actors.iter().filter_map(Weak::upgrade).collect();
        actors.iter().for_each(|actor| actor.stop());
        // All are tried; the first error is told.
        let mut outcome = Ok(());
        for actor in actors {
            outcome = outcome.and(actor.end());
        }
        outcome = outcome.and(self.worker.join(self.deadline));
        let removed = cgroup.remove();
        outcome.and(
            removed
                .map_err(|source| NodeError::Setup { thread: self.name().to_owned(), source: source.into() }),
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("netsim: {error}");
        }
    }
}

impl StartingNode {
    /// Waits until the node is ready.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn wait(self) -> Result<Node, NodeError> {
        let Self { starting, deadline, cgroup, subtree } = self;
        let (worker, namespaces) = starting.wait(deadline)?;
        Ok(Node {
            worker,
            namespaces,
            deadline,
            actors: Mutex::default(),
            cgroup: Some(cgroup),
            _subtree: subtree,
        })
    }
}

/// Gives the calling thread's new namespaces what a node has.
fn furnish(spec: &NodeSpec) -> Result<(), SetupError> {
    filesystem::furnish(spec)?;
    sysctl::apply_defaults()?;
    spec.sysctls.iter().try_for_each(|(key, value)| sysctl::set(key, value))?;
    loopback::bring_up().map_err(|source| SetupError::Loopback { source })
}
