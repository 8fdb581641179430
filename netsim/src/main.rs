//! The `netsim` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    netsim::cli::main()
}
