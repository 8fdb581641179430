//! Called by the name `kumactl`: the three of its commands that this program stands in for, with kumactl's manners.
//!
//! The flags that every kumactl command has are taken and do not count, as are arguments without a flag; unknown keys of
//! a configuration only warn; every failure exits with 1. Must never do anything that `tproxy` does not.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use super::Surroundings;
use super::error::{CliError, DONE};
use super::install::Install;
use super::misuse;
use super::uninstall::Uninstall;
use super::validate::Contract;

/// Stands in for kumactl's commands for transparent proxying.
#[derive(Debug, Parser)]
#[command(name = "kumactl", version, after_help = AFTER_HELP, max_term_width = 80, args_override_self = true)]
struct Kumactl {
    #[command(flatten)]
    inherited: Inherited,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Examples:
  kumactl install transparent-proxy --kuma-dp-user kuma-dp
  kumactl uninstall transparent-proxy";

/// Flags of every kumactl command, without a meaning here.
#[derive(Debug, Args)]
struct Inherited {
    #[arg(long = "config-file", id = "config-file", global = true, hide = true)]
    config_file: Vec<String>,
    #[arg(long, global = true, hide = true)]
    log_level: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_config: Option<String>,
    #[arg(long, global = true, hide = true)]
    api_timeout: Option<String>,
    #[arg(long, global = true, hide = true)]
    context: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install the redirection, or try it
    #[command(subcommand)]
    Install(Installation),
    /// Remove the redirection
    #[command(subcommand)]
    Uninstall(Removal),
}

#[derive(Debug, Subcommand)]
enum Installation {
    /// Redirect the traffic of this network namespace to the sidecar
    #[command(after_help = "\
Examples:
  kumactl install transparent-proxy --kuma-dp-user kuma-dp
  kumactl install transparent-proxy --redirect-dns --dry-run

Every option can be set by a flag, by a variable and in a file; flags win over \
variables, variables over files.")]
    TransparentProxy(Box<WithArguments<Install>>),
    /// Try with connections that arriving traffic reaches the inbound port
    #[command(after_help = "\
Example:
  runuser -u kuma-dp -- kumactl install transparent-proxy-validator")]
    TransparentProxyValidator(Contract),
}

#[derive(Debug, Subcommand)]
enum Removal {
    /// Remove what an earlier installation left, and nothing else
    #[command(after_help = "Example: kumactl uninstall transparent-proxy --dry-run")]
    TransparentProxy(WithArguments<Uninstall>),
}

/// Flags, and arguments that kumactl takes and passes over.
#[derive(Debug, Args)]
struct WithArguments<T: Args> {
    #[command(flatten)]
    flags: T,
    #[arg(hide = true)]
    ignored: Vec<String>,
}

impl<T: Args> WithArguments<T> {
    fn flags(&self, surroundings: &mut Surroundings<'_>) -> &T {
        for argument in &self.ignored {
            surroundings
                .warn(format!("argument `{argument}` does not count; a switch is turned off with =false"));
        }
        &self.flags
    }
}

/// Runs a command line that begins with `kumactl`.
pub(super) fn run(arguments: Vec<OsString>, surroundings: &mut Surroundings<'_>) -> Result<u8, CliError> {
    let kumactl: Kumactl = misuse::parse(arguments, surroundings)?;
    match &kumactl.verb {
        Verb::Install(Installation::TransparentProxy(install)) => {
            install.flags(surroundings).run(surroundings)?;
        }
        Verb::Install(Installation::TransparentProxyValidator(validate)) => validate.run(surroundings)?,
        Verb::Uninstall(Removal::TransparentProxy(uninstall)) => {
            uninstall.flags(surroundings).run(surroundings)?;
        }
    }
    Ok(DONE)
}
