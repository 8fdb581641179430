//! `netsim exec`: the launcher for people and scripts. A command runs in the pod of a throw-away topology, where tproxy
//! is first in PATH and the machine's own network namespace is forbidden to it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::End;
use super::selection::tproxy;
use crate::link::{Network, NetworkOptions};
use crate::node::{Exit, Program};
use crate::topology::Topology;

#[derive(Debug, Args)]
pub(super) struct Exec {
    /// The topology, in whose first node the command runs
    #[arg(long, default_value = "pod")]
    topology: String,
    /// The tproxy binary that the command finds as `tproxy` [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
    /// Seconds after which the command is killed
    #[arg(long, default_value_t = 60)]
    deadline: u64,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Exec {
    pub(super) fn run(&self) -> End {
        self.execute().unwrap_or_else(End::Refused)
    }

    fn execute(&self) -> Result<End, String> {
        let topology = Topology::ready(&self.topology).map_err(|error| error.to_string())?;
        crate::node::support().map_err(|missing| missing.to_string())?;
        let mut options = NetworkOptions::default();
        options.base.programs.push(("tproxy".to_owned(), tproxy(self.tproxy.as_deref())?));
        let network = Network::up(&topology, &options).map_err(|error| error.to_string())?;
        let node = network.nodes().first().ok_or("the topology has no node")?;
        let (name, arguments) = self.command.split_first().ok_or("no command was given")?;
        let finished = Program::new(name)
            .args(arguments.iter().cloned())
            .deadline(Duration::from_secs(self.deadline))
            .run(node)
            .map_err(|error| error.to_string())?;
        // With a stream gone there is nobody left to tell; the exit code still says how it went.
        let _ = std::io::stdout().write_all(&finished.stdout);
        let _ = std::io::stderr().write_all(&finished.stderr);
        if finished.timed_out {
            return Err(format!("`{}` was killed after {} s", finished.command, self.deadline));
        }
        match finished.exit {
            Exit::Code(code) => Ok(End::Code(u8::try_from(code).unwrap_or(u8::MAX))),
            other => Err(format!("`{}` ended: {other}", finished.command)),
        }
    }
}
