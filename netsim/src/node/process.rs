//! The launcher: the one way to run external programs, tproxy among them, inside a node.
//!
//! Every program gets a small fixed environment with `TPROXY_FORBID_NETNS`, the namespace that netsim was started
//! in: whatever goes wrong, tproxy will not touch it. A program never outlives its handle or its node.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::child::{Child, Exit, Pipes};
use super::filesystem::PROGRAMS;
use super::identity::Identity;
use super::namespaces::NetId;
use super::running::{Running, attend};
use super::watched::Watched;
use super::{Node, NodeError};

/// The environment variable that tells tproxy which network namespace it must not touch.
const FORBID_NETNS: &str = "TPROXY_FORBID_NETNS";

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What can go wrong with a program.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not installed.
    #[error(
        "program {program:?} is not there in {node}: install it, or name it in the node's programs (PATH={path})"
    )]
    Missing {
        /// The program.
        program: String,
        /// Where it was looked for.
        node: String,
        /// The directories that were searched.
        path: String,
    },
    /// The kernel refuses to start it.
    #[error("cannot start {program:?}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It did not say in time that it is ready.
    #[error("{program:?} did not print {waited_for:?} within {within:?}{output}")]
    NotReady {
        /// The program.
        program: String,
        /// What it should have printed.
        waited_for: String,
        /// The deadline.
        within: Duration,
        /// What it printed.
        output: String,
    },
    /// It ended before it was ready.
    #[error("{program:?} ended ({exit}) without printing {waited_for:?}{output}")]
    EndedEarly {
        /// The program.
        program: String,
        /// What it should have printed.
        waited_for: String,
        /// How it ended.
        exit: Exit,
        /// What it printed.
        output: String,
    },
    /// It ended with an error.
    #[error("{0}")]
    Failed(Box<Finished>),
    /// It does not even react to being killed.
    #[error("{program:?} was killed but does not end")]
    Unkillable {
        /// The program.
        program: String,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// An external program to be run in a node.
#[derive(Clone, Debug)]
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    name: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    identity: Identity,
    directory: PathBuf,
    stdin: Option<Vec<u8>>,
    deadline: Option<Duration>,
}

/// A program that has ended.
#[derive(Clone)]
pub struct Finished {
    /// The program and its arguments.
    pub command: String,
    /// How it ended.
    pub exit: Exit,
    /// Whether it was killed because its deadline had passed.
    pub timed_out: bool,
    /// What it wrote to standard output, at most 16 MiB.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, at most 16 MiB.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub elapsed: Duration,
    /// The processor time that it used, with the children that it waited for.
    pub cpu: Duration,
}

impl Program {
    /// A program by name, searched in PATH, or by its path inside the node.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            identity: Identity::ROOT,
            directory: "/".into(),
            stdin: None,
            deadline: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment, which otherwise holds PATH, HOME, LC_ALL and TPROXY_FORBID_NETNS.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it as this user and group, without supplementary groups; root by default.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Runs it in this directory of the node; `/` by default.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Gives it these bytes as standard input; an empty one by default.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// How long it may run, or take to become ready; by default the node's deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Runs the program to its end, or kills it when its deadline passes. What it started and left behind is
    /// killed, too.
    ///
    /// # Errors
    /// When it cannot be started. How it ended is no error here: see [`Finished::success`].
    pub fn run(self, node: &Node) -> Result<Finished, ProcessError> {
        let within = self.deadline.unwrap_or(node.deadline());
        self.start(node)?.finish(within)
    }

    /// Starts a server and waits until a line that contains `ready` appears on its output.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not print that in time.
    pub fn spawn(self, node: &Node, ready: &str) -> Result<Running, ProcessError> {
        let within = self.deadline.unwrap_or(node.deadline());
        let running = self.start(node)?;
        running.wait_for_line(ready, within)?;
        Ok(running)
    }

    /// Starts the program and returns at once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self, node: &Node) -> Result<Running, ProcessError> {
        let command = self.command_line();
        let name = self.name.clone();
        let progress = Watched::default();
        let seen = progress.clone();
        let machine = NetId::of_machine()
            .map_err(|source| ProcessError::NotStarted { program: name.clone(), source })?;
        let actor = node.actor(&thread_name(&name), self.identity)?;
        let node_name = node.name().to_owned();
        let target = actor.serve(move || async move {
            let stdin = self.stdin.clone();
            // Starting the process is part of what it costs.
            let started = Instant::now();
            let (child, pipes) = self.launch(&node_name, machine)?;
            let target =
                child.target().map_err(|source| ProcessError::NotStarted { program: name, source })?;
            Ok::<_, ProcessError>(((started, target), attend(child, pipes, stdin, seen)))
        })??;
        Ok(Running::new(actor, command, target, progress))
    }

    fn command_line(&self) -> String {
        std::iter::once(&self.name).chain(&self.args).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Starts the process from the calling thread, an actor's.
    fn launch(&self, node: &str, machine: NetId) -> Result<(Child, Pipes), ProcessError> {
        let path = find(&self.name).ok_or_else(|| ProcessError::Missing {
            program: self.name.clone(),
            node: node.to_owned(),
            path: search(),
        })?;
        let mut command = Command::new(path);
        command
            .args(&self.args)
            .env_clear()
            .envs(environment(self.identity, machine))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(FORBID_NETNS, machine.to_string())
            .current_dir(&self.directory)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Child::spawn(&mut command)
            .map_err(|source| ProcessError::NotStarted { program: self.name.clone(), source })
    }
}

impl Finished {
    /// Whether it exited by itself with code 0.
    pub fn success(&self) -> bool {
        self.exit == Exit::Code(0) && !self.timed_out
    }

    /// The program if it succeeded.
    ///
    /// # Errors
    /// When it did not, with everything that is known about it.
    pub fn checked(self) -> Result<Self, ProcessError> {
        if self.success() { Ok(self) } else { Err(ProcessError::Failed(Box::new(self))) }
    }

    /// Standard output as text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, exit, elapsed, .. } = self;
        let why = if self.timed_out { ", its deadline" } else { "" };
        write!(f, "`{command}`: {exit} after {elapsed:.1?}{why}{}", printed(&self.stdout, &self.stderr))
    }
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The same: output as numbers helps nobody.
        fmt::Display::fmt(self, f)
    }
}

/// What a program printed, indented, for error messages.
pub(super) fn printed(stdout: &[u8], stderr: &[u8]) -> String {
    [("stdout", stdout), ("stderr", stderr)]
        .into_iter()
        .flat_map(|(name, bytes)| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().map(|line| format!("\n  {name}: {line}")).collect::<Vec<_>>()
        })
        .collect()
}

/// The directories in which programs are searched.
fn search() -> String {
    format!("{PROGRAMS}:{SYSTEM_PATH}")
}

/// What every program finds in its environment.
pub(super) fn environment(identity: Identity, machine: NetId) -> [(&'static str, String); 4] {
    let home = if identity.uid == 0 { "/root" } else { "/tmp" };
    [
        ("PATH", search()),
        ("HOME", home.to_owned()),
        ("LC_ALL", "C".to_owned()),
        (FORBID_NETNS, machine.to_string()),
    ]
}

/// The program's path, seen from the calling thread.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    search().split(':').map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
}

fn thread_name(program: &str) -> String {
    let base = program.rsplit('/').next().unwrap_or(program);
    base.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect()
}
