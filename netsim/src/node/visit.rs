//! Entering a node of another netsim process: this process becomes a program of that node.
//!
//! Must never be called by a process with several threads: only the calling one would move. Must never run anything
//! outside of the node: where a step fails, the program is not started.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

use super::cgroup::{self, CgroupError};
use super::identity::Identity;
use super::namespaces::NetId;
use super::process::{self, environment};
use super::subtree;

/// Why a node cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The node.
    #[error("the run that was kept by process {process} has ended")]
    Ended {
        /// The process.
        process: u32,
    },
    /// The thread is in the caller's own network namespace.
    #[error("thread {thread} of process {process} is in no node")]
    NoNode {
        /// The process.
        process: u32,
        /// The thread.
        thread: i32,
    },
    /// The node's cgroup.
    #[error("cannot enter the node's cgroup: {0}")]
    Cgroup(#[from] CgroupError),
    /// A namespace.
    #[error("cannot enter the node's {what}: {source}")]
    Namespace {
        /// Which.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The program.
    #[error("cannot start {program:?} in the node: {source}")]
    Program {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// Replaces this process by a program, as root, in the node in which a thread of another process is: in its cgroup and
/// its namespaces, with the environment of every program there.
///
/// # Errors
/// Always: where it succeeds, it does not return.
pub fn visit(process: u32, thread: i32, program: &str, arguments: &[String]) -> VisitError {
    match enter(process, thread) {
        Ok(machine) => start(program, arguments, machine),
        Err(error) => error,
    }
}

/// The namespaces of a node, in the order in which they are entered.
const NAMESPACES: [(&str, &str, CloneFlags); 3] = [
    ("mnt", "mounts", CloneFlags::CLONE_NEWNS),
    ("cgroup", "cgroup namespace", CloneFlags::CLONE_NEWCGROUP),
    ("net", "network", CloneFlags::CLONE_NEWNET),
];

/// Enters the node, and tells the network namespace that programs in it must not touch.
fn enter(process: u32, thread: i32) -> Result<NetId, VisitError> {
    let failed = |what| move |source| VisitError::Namespace { what, source };
    let machine = NetId::of_machine().map_err(failed("network"))?;
    let of = format!("/proc/{process}/task/{thread}");
    // All are opened before anything is entered: then it is the same node, or none.
    let mut opened = Vec::new();
    for (file, what, kind) in NAMESPACES {
        match File::open(format!("{of}/ns/{file}")) {
            Ok(namespace) => opened.push((namespace, what, kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(VisitError::Ended { process });
            }
            Err(error) => return Err(failed(what)(error)),
        }
    }
    let net = opened.last().map(|(net, ..)| net.metadata()).transpose().map_err(failed("network"))?;
    if net.is_none_or(|net| NetId { device: net.dev(), inode: net.ino() } == machine) {
        return Err(VisitError::NoNode { process, thread });
    }
    // The whole process goes to where that process is; then this thread may go to where the node is.
    enter_cgroup(&format!("/proc/{process}/cgroup"), "cgroup.procs")?;
    enter_cgroup(&format!("{of}/cgroup"), "cgroup.threads")?;
    for (namespace, what, kind) in opened {
        setns(namespace.as_fd(), kind).map_err(|source| failed(what)(source.into()))?;
    }
    Ok(machine)
}

/// Moves to the cgroup that a file of /proc names.
fn enter_cgroup(file: &str, control: &'static str) -> Result<(), CgroupError> {
    let (directory, name) = subtree::open_named(file)?;
    cgroup::set(directory.as_fd(), control, "0").map_err(|source: Errno| CgroupError::Control {
        name,
        file: control,
        value: "0".to_owned(),
        source,
    })
}

fn start(program: &str, arguments: &[String], machine: NetId) -> VisitError {
    let failed = |source| VisitError::Program { program: program.to_owned(), source };
    let variables = environment(Identity::ROOT, machine);
    let Some(path) = process::find(program) else { return failed(io::ErrorKind::NotFound.into()) };
    let mut command = Command::new(path);
    command.args(arguments).env_clear().envs(variables).current_dir("/");
    // Without it, programs cannot draw on a terminal.
    if let Some(terminal) = std::env::var_os("TERM") {
        command.env("TERM", terminal);
    }
    failed(command.exec())
}
