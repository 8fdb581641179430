//! `netsim shell`: into a node of a run that is kept.

use clap::Args;

use super::End;
use crate::keep;
use crate::node;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netsim run scenarios/outbound/default.yaml --only iptables-nft::ipv4 --keep
  netsim shell pod                               in another terminal
  netsim shell pod iptables-nft-save -c")]
pub(super) struct Shell {
    /// The node
    node: String,
    /// The process that keeps the run, where there are several
    #[arg(long, value_name = "PID")]
    run: Option<u32>,
    /// The command and its arguments [default: sh]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Shell {
    pub(super) fn run(&self) -> End {
        if let Err(missing) = node::support() {
            return End::Refused(missing.to_string());
        }
        let (kept, node) = match keep::find(&self.node, self.run) {
            Ok(found) => found,
            Err(error) => return End::Refused(error.to_string()),
        };
        let command = self.command.split_first();
        let (program, arguments) =
            command.map_or(("sh", &[][..]), |(program, rest)| (program.as_str(), rest));
        // Returns only when it cannot be done.
        End::Refused(node::visit(kept.process, node.thread, program, arguments).to_string())
    }
}
