//! The `tproxy` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tproxy::cli::main()
}
