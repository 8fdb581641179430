//! `tproxy uninstall`.

use std::path::Path;

use clap::Args;

use super::Surroundings;
use super::error::CliError;
use super::install::{permit_changes, print_changes, print_done, read_record, show, warn_of_doubtful};
use super::limits::Limits;
use super::stored::{self, Purpose};
use crate::apply;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::config::Config;
use crate::host;

/// The flags of `tproxy uninstall`. No configuration is needed: what is installed is seen.
#[derive(Debug, Args)]
#[command(after_help = "Example: tproxy uninstall --dry-run")]
pub(super) struct Uninstall {
    #[command(flatten)]
    limits: Limits,
    /// Print what would change, change nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    dry_run: bool,
    /// Print long option names in rules, and what is executed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    verbose: bool,
    // Whatever is installed is removed, so these say nothing new; kumactl needed them.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    ebpf_enabled: Option<bool>,
    #[arg(long, hide = true)]
    ebpf_bpffs_path: Option<String>,
}

impl Uninstall {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        if self.dry_run && !nix::unistd::geteuid().is_root() {
            surroundings.warn("[dry-run]: without root, the rules that are installed cannot be seen");
            return Ok(());
        }
        if let Some(backup) = host::resolv_conf_backup() {
            surroundings.warn(format!(
                "{backup} was left by Kuma before 2.2; compare it with /etc/resolv.conf and delete it: it is not restored"
            ));
        }
        let facts = host::facts(&Config::default())?;
        if !self.dry_run {
            permit_changes(surroundings)?;
        }
        let patience = self.limits.patience(Config::default().loading);
        // Nothing is read of another run's half-done work, not even to print it.
        let _lock = if self.dry_run { None } else { Some(Lock::acquire(patience.left())?) };
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let record = read_record(&journal, surroundings);
        let backend = Iptables::for_removal(record.as_ref(), &facts.loopback)?;
        backend.sees_all_of(record.as_ref())?;
        let mut installed = backend.observe(record)?;
        stored::observe(&mut installed, Some(Purpose::Remove), surroundings)?;
        warn_of_doubtful(&installed, surroundings);
        let changes = backend.remove(&installed);
        if self.dry_run {
            return print_changes(&changes, self.verbose, surroundings);
        }
        if changes.is_empty() {
            surroundings.tell("# no transparent proxy is installed: nothing to clean up");
        }
        show(self.verbose, &changes, surroundings);
        apply::apply(&changes, &patience, surroundings.put_signals_off()?)?;
        if let Err(error) = journal.remove() {
            surroundings.warn(error);
        }
        print_done(&changes, surroundings)?;
        stored::tell(&changes, surroundings);
        surroundings.tell("# transparent proxy cleanup completed successfully");
        Ok(())
    }
}
