//! What can go wrong with a node: setting it up, running work in it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use super::cgroup::CgroupError;
use super::identity::Identity;

/// A step of making a node or an actor that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The cgroup.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// New namespaces.
    #[error("cannot enter network, mount and cgroup namespaces of its own: {source}")]
    Unshare {
        /// Why.
        source: Errno,
    },
    /// The files of the namespaces.
    #[error("cannot open the namespaces in /proc/thread-self/ns: {source}")]
    Namespace {
        /// Why.
        source: io::Error,
    },
    /// A mount.
    #[error("cannot mount {what} on {target}: {source}")]
    Mount {
        /// The file system.
        what: &'static str,
        /// Where.
        target: PathBuf,
        /// Why.
        source: Errno,
    },
    /// A file inside the node.
    #[error("cannot write {path} in the node: {source}")]
    File {
        /// Its path inside.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that would be the machine's.
    #[error(
        "{path} is not the node's own: only files below /run, /tmp and /etc are, without '..' or symbolic links"
    )]
    Foreign {
        /// The path asked for.
        path: PathBuf,
    },
    /// A program that shall be available inside.
    #[error("cannot make {path} available as {name:?} in the node: {source}")]
    Program {
        /// Its name inside.
        name: String,
        /// Its path on the machine.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A sysctl that is not a network namespace's own.
    #[error("sysctl {key:?} is refused: only keys below net/ are the node's own, as in net/ipv4/ip_forward")]
    SysctlForeign {
        /// The key.
        key: String,
    },
    /// A sysctl that the kernel refuses.
    #[error("cannot set sysctl {key} to {value:?}: {source}")]
    Sysctl {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Why.
        source: io::Error,
    },
    /// The loopback interface.
    #[error("cannot bring up the loopback interface: {source}")]
    Loopback {
        /// Why.
        source: Errno,
    },
    /// The identity of an actor.
    #[error("cannot become {identity}: {source}")]
    Identity {
        /// Who it was to be.
        identity: Identity,
        /// Why.
        source: Errno,
    },
    /// The runtime.
    #[error("cannot start the runtime: {source}")]
    Runtime {
        /// Why.
        source: io::Error,
    },
    /// The thread.
    #[error("cannot start the thread: {source}")]
    Thread {
        /// Why.
        source: io::Error,
    },
}

/// What can go wrong with a node or an actor in it. `thread` is the name of either.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A name that cannot be a node's or an actor's.
    #[error("{name:?} cannot be a name: use letters, digits, '-', '_' and '.', at most 60 of them")]
    Name {
        /// The name.
        name: String,
    },
    /// It could not be made.
    #[error("{thread} could not be set up: {source}")]
    Setup {
        /// Whose set-up.
        thread: String,
        /// Why.
        source: SetupError,
    },
    /// A job panicked. Others go on.
    #[error("a job on {thread} panicked: {panic}")]
    JobPanicked {
        /// On which thread.
        thread: String,
        /// What the panic said.
        panic: String,
    },
    /// Its service panicked or failed.
    #[error("{thread} died: {why}")]
    Died {
        /// Which.
        thread: String,
        /// What the panic or the error said.
        why: String,
    },
    /// A job took too long and was cancelled.
    #[error("{what} on {thread} was not done within {within:?}")]
    Deadline {
        /// On which thread.
        thread: String,
        /// What was waited for.
        what: &'static str,
        /// The deadline.
        within: Duration,
    },
    /// It has ended already.
    #[error("{thread} has ended; nothing can be run on it any more")]
    Ended {
        /// Which.
        thread: String,
    },
}
