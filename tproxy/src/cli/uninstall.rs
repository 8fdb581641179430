//! `tproxy uninstall`.

use std::path::Path;

use clap::Args;

use super::Surroundings;
use super::back::lead;
use super::beside;
use super::capture::Capturing;
use super::changes::{self, Removal};
use super::confirm::dismiss;
use super::error::CliError;
use super::install::{permit_changes, read_record, warn_of_doubtful, warn_of_foreign_jumps};
use super::limits::Limits;
use super::stored::{self, Purpose};
use super::traffic;
use crate::apply::change::Change;
use crate::apply::fault;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::apply::record::Record;
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::config::Config;
use crate::family::IpFamily;
use crate::host;
use crate::iptables::redirects::Redirects;
use crate::iptables::render::Installed;

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
            return if surroundings.output.json { changes::print_unseen_json(surroundings) } else { Ok(()) };
        }
        warn_of_backup(surroundings);
        let facts = host::facts(&Config::default())?;
        if !self.dry_run {
            permit_changes(surroundings)?;
        }
        let patience = self.limits.patience(Config::default().loading);
        // Nothing is read of another run's half-done work, not even to print it.
        let lock = if self.dry_run { None } else { Some(Lock::acquire(patience.left())?) };
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let record = read_record(&journal, surroundings);
        let loopback = facts.loopback.as_str();
        if let Some(captured) = beside::installed(loopback, record.clone())? {
            let capturing = Capturing { loopback, journal: &journal, patience: &patience };
            return capturing.remove(&captured, lock, self.dry_run, self.verbose, surroundings);
        }
        self.remove_rules(record, loopback, &journal, &patience, lock, surroundings)
    }

    /// Removes rules of iptables, under the lock, unless it is a dry run.
    fn remove_rules(
        &self,
        record: Option<Record>,
        loopback: &str,
        journal: &Journal,
        patience: &Patience,
        lock: Option<Lock>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        let backend = rules(record.as_ref(), loopback)?;
        let waits = record.as_ref().is_some_and(|record| record.unconfirmed.is_some());
        let look = |record: Option<Record>, surroundings: &mut Surroundings<'_>| {
            let mut installed = backend.observe(record)?;
            stored::observe(&mut installed, Some(Purpose::Remove), surroundings)?;
            Ok(installed)
        };
        let installed = look(record, surroundings)?;
        warn_of_doubtful(&installed, surroundings);
        warn_of_foreign_jumps(&installed, surroundings);
        let foreign_jumps = Some(installed.foreign_jumps().collect());
        let redirects = Redirects::installed(&installed);
        let open = traffic::open_connections(&redirects, surroundings);
        if self.dry_run {
            let changes = backend.remove(&installed);
            return self.foretell(&changes, Removal { open_connections: open, foreign_jumps }, surroundings);
        }
        let has_address_of_others = installed.has_address && !installed.owns_address();
        if backend.remove(&installed).is_empty() {
            surroundings.tell("# no transparent proxy is installed: nothing to clean up");
        }
        let to_nothing = |installed: &Installed| backend.remove(installed);
        let made = lead(look, installed, to_nothing, patience, self.verbose, surroundings)?;
        traffic::settle_queries(None, &redirects, surroundings);
        fault::reach("settled");
        if let Err(error) = journal.remove() {
            surroundings.warn(error);
        }
        fault::reach("journal-ended");
        drop(lock);
        if waits {
            dismiss(surroundings);
        }
        if has_address_of_others {
            tell_of_address(loopback, surroundings);
        }
        traffic::tell_open(open, surroundings);
        if surroundings.output.json {
            let removal = Removal { open_connections: open, foreign_jumps };
            changes::print_json(&made, Some(removal), surroundings)?;
        }
        stored::tell(&made, surroundings);
        surroundings.tell("# transparent proxy cleanup completed successfully");
        Ok(())
    }

    /// What would change.
    fn foretell(
        &self,
        foretold: &[Change],
        removal: Removal,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        if surroundings.output.json {
            return changes::print_json(foretold, Some(removal), surroundings);
        }
        traffic::tell_open(removal.open_connections, surroundings);
        changes::print(foretold, self.verbose, surroundings)
    }
}

/// What sees all rules that may be there.
fn rules(record: Option<&Record>, loopback: &str) -> Result<Iptables, CliError> {
    let backend = Iptables::for_removal(record, loopback)?;
    backend.sees_all_of(record)?;
    Ok(backend)
}

fn warn_of_backup(surroundings: &mut Surroundings<'_>) {
    if let Some(backup) = host::resolv_conf_backup() {
        surroundings.warn(format!(
            "{backup} was left by Kuma before 2.2; compare it with /etc/resolv.conf and delete it: it is not restored"
        ));
    }
}

fn tell_of_address(loopback: &str, surroundings: &mut Surroundings<'_>) {
    let address = IpFamily::V6.passthrough();
    surroundings.tell(format!("# {address} on {loopback} stays: nothing says that tproxy added it"));
}
