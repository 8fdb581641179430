//! `tproxy uninstall`.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::Surroundings;
use super::error::CliError;
use super::install::{LOOKS, permit_changes, print_changes, read_record, show, warn_of_doubtful};
use super::limits::Limits;
use super::stored::{self, Purpose};
use super::traffic;
use crate::apply::change::Change;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::apply::{self, fault};
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
        let redirects = Redirects::installed(&installed);
        let open = traffic::open_connections(&redirects, surroundings);
        if self.dry_run {
            return self.foretell(&backend.remove(&installed), open, surroundings);
        }
        let has_address_of_others = installed.has_address && !installed.owns_address();
        let changes = self.remove(&backend, installed, &patience, surroundings)?;
        traffic::settle_queries(None, &redirects, surroundings);
        fault::reach("settled");
        if let Err(error) = journal.remove() {
            surroundings.warn(error);
        }
        fault::reach("journal-ended");
        if has_address_of_others {
            let address = IpFamily::V6.passthrough();
            surroundings
                .tell(format!("# {address} on {} stays: nothing says that tproxy added it", facts.loopback));
        }
        tell_open(open, surroundings);
        if surroundings.output.json {
            surroundings.print_json(&Removal { changes: &changes, open_connections: open })?;
        }
        stored::tell(&changes, surroundings);
        surroundings.tell("# transparent proxy cleanup completed successfully");
        Ok(())
    }

    /// Removes what is installed, whatever other programs do meanwhile, and returns the changes that were made last.
    fn remove(
        &self,
        backend: &Iptables,
        mut installed: Installed,
        patience: &Patience,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Vec<Change>, CliError> {
        let mut made = Vec::new();
        for _ in 0..LOOKS {
            let changes = backend.remove(&installed);
            if changes.is_empty() && made.is_empty() {
                surroundings.tell("# no transparent proxy is installed: nothing to clean up");
            }
            show(self.verbose, &changes, surroundings);
            let error =
                match apply::apply(&changes, &installed.rules, patience, surroundings.put_signals_off()?) {
                    Ok(_) if changes.is_empty() => return Ok(made),
                    Ok(true) => return Ok(changes),
                    Ok(false) => None,
                    Err(error) if error.is_refusal() => Some(error),
                    Err(error) => return Err(error.into()),
                };
            let before = installed;
            installed = backend.observe(before.record.clone())?;
            stored::observe(&mut installed, Some(Purpose::Remove), surroundings)?;
            match error {
                None => made = changes,
                Some(error) if installed.stands_as(&before) => return Err(error.into()),
                Some(_) => {}
            }
        }
        Err(CliError::Restless)
    }

    /// What would change.
    fn foretell(
        &self,
        changes: &[Change],
        open_connections: Option<usize>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        if surroundings.output.json {
            return surroundings.print_json(&Removal { changes, open_connections });
        }
        tell_open(open_connections, surroundings);
        print_changes(changes, self.verbose, surroundings)
    }
}

/// With `--json`: what was or would be changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Removal<'a> {
    changes: &'a [Change],
    /// Captured connections that are open; `null` where that cannot be seen.
    open_connections: Option<usize>,
}

/// What becomes of captured connections: NAT goes on for them as long as anything in the namespace needs connection
/// tracking, and when our rules were the last, the kernel ends it.
fn tell_open(open: Option<usize>, surroundings: &mut Surroundings<'_>) {
    let (connections, they) = match open {
        None | Some(0) => return,
        Some(1) => ("1 captured connection is open: it ends".to_owned(), "it goes"),
        Some(count) => (format!("{count} captured connections are open: they end"), "they go"),
    };
    surroundings.tell(format!(
        "# {connections} with these rules, or {they} on where other rules need connection tracking"
    ));
}
