//! `install`, `uninstall` and `status` where the eBPF backend is what captures.
//!
//! Must never touch rules of iptables.

use std::path::Path;

use super::Surroundings;
use super::changes::{self, Removal};
use super::error::CliError;
use super::install::{note, permit_changes, read_record, show};
use super::limits::{Confirmation, Limits};
use crate::apply;
use crate::apply::change::Change;
use crate::apply::fault;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::apply::record::{Phase, Record, Run};
use crate::backend::ebpf::Ebpf;
use crate::backend::iptables::Iptables;
use crate::backend::{Backend, BackendId};
use crate::config::{Config, Resolved, print};
use crate::ebpf::kernel;
use crate::ebpf::render::{self, Installed};
use crate::ebpf::unsupported;
use crate::host::{self, HostFacts, netns};
use crate::plan::{self, Note, Plan, Sidecar};

/// `install` with `--backend ebpf`.
pub(super) fn install(
    resolved: &Resolved,
    limits: &Limits,
    confirmation: &Confirmation,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let config = &resolved.config;
    let facts = facts(config, surroundings)?;
    let sidecar = if config.dry_run { Sidecar::MayBeAssumed } else { Sidecar::MustExist };
    let (plan, notes) = plan::resolve(config, &facts, sidecar)?;
    Ebpf::supports(config, &plan)?;
    if confirmation.within.is_some() {
        return Err(CliError::Refused(
            "--confirm-within cannot be honoured by the ebpf backend yet: leave it out, or use iptables"
                .to_owned(),
        ));
    }
    permit_ids()?;
    let backend = Ebpf::new(config, &facts.loopback)?;
    tell_notes(config, &notes, surroundings);
    if config.dry_run {
        return dry_run(&backend, &plan, surroundings);
    }
    permit_changes(surroundings)?;
    let patience = limits.patience(config.loading.clone());
    let lock = Lock::acquire(patience.left())?;
    let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
    let before = read_record(&journal, surroundings);
    permit_ebpf(&facts.loopback, before.as_ref())?;
    let installed = backend.observe(before.clone())?;
    let changes = backend.render(&plan, &installed)?;
    if changes.is_empty() {
        surroundings.tell("# the same configuration is installed already: nothing to change");
    }
    show(config.verbose, &changes, surroundings);
    let run = Run {
        boot_id: &netns::boot_id()?,
        backend: &BackendId::Ebpf.to_string(),
        digest: plan.digest(),
        configuration: print::chosen(resolved),
        rules: Vec::new(),
        comments: false,
        changes: &changes,
    };
    commit(&changes, Record::applying(run, before.as_ref()), &journal, &patience, surroundings)?;
    drop(lock);
    if surroundings.output.json {
        changes::print_json(&changes, None, surroundings)?;
    }
    surroundings.tell("# transparent proxy setup completed successfully");
    Ok(())
}

/// Applies changes between two records of the journal; on failure the journal says again what it said before.
fn commit(
    changes: &[Change],
    record: Record,
    journal: &Journal,
    patience: &Patience,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let before = read_record(journal, surroundings);
    let is_complete = before.as_ref().is_some_and(|record| record.phase == Phase::Installed);
    if changes.is_empty() && is_complete {
        return Ok(());
    }
    note(journal.write(&record), surroundings);
    fault::reach("journal-begun");
    match apply::apply(changes, &[], patience, surroundings.put_signals_off()?) {
        Ok(_) => {
            note(journal.write(&record.installed()), surroundings);
            fault::reach("journal-ended");
            Ok(())
        }
        Err(error) => {
            if let apply::ApplyError::RolledBack { .. } = error {
                let restored =
                    before.as_ref().map_or_else(|| journal.remove(), |before| journal.write(before));
                note(restored, surroundings);
            }
            Err(error.into())
        }
    }
}

fn dry_run(backend: &Ebpf, plan: &Plan, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let installed = if nix::unistd::geteuid().is_root() {
        backend.observe(None)?
    } else {
        surroundings.warn("[dry-run]: without root, what is installed already cannot be seen");
        Installed::default()
    };
    let rendered = backend.render(plan, &installed)?;
    if surroundings.output.json {
        return changes::print_json(&rendered, None, surroundings);
    }
    changes::print(&rendered, false, surroundings)
}

/// The facts, with the addresses that the user adds to those that are found.
fn facts(config: &Config, surroundings: &Surroundings<'_>) -> Result<HostFacts, CliError> {
    let mut facts = host::facts(config)?;
    let named = config.ebpf.instance_ip_variable.as_ref().map(|name| {
        let text = surroundings.variables.get(name.as_str()).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| {
            CliError::Refused(format!(
                "ebpf.instanceIPEnvVarName: the variable {} holds `{text}`, which is no IP address",
                name.as_str()
            ))
        })
    });
    let loopback = facts.loopback.clone();
    let given = config.ebpf.instance_ip.into_iter().chain(named.transpose()?);
    facts
        .addresses
        .extend(given.map(|address| host::InterfaceAddress { interface: loopback.clone(), address }));
    Ok(facts)
}

fn tell_notes(config: &Config, notes: &[Note], surroundings: &mut Surroundings<'_>) {
    for note in notes {
        surroundings.warn(note);
    }
    let without_effect = unsupported::without_effect(config);
    if !without_effect.is_empty() {
        surroundings.warn(format!(
            "{} concern rules of iptables alone, and change nothing with the ebpf backend",
            without_effect.join(", ")
        ));
    }
}

/// The programs compare ids as the first user namespace has them.
fn permit_ids() -> Result<(), CliError> {
    match netns::has_own_ids()? {
        false => Ok(()),
        true => Err(CliError::Refused(
            "this network namespace belongs to a user namespace with ids of its own, which the ebpf backend does not \
             translate: use iptables"
                .to_owned(),
        )),
    }
}

/// Refuses to install over rules of iptables.
fn permit_ebpf(loopback: &str, record: Option<&Record>) -> Result<(), CliError> {
    let Ok(iptables) = Iptables::for_removal(record, loopback) else { return Ok(()) };
    let installed = iptables.observe(record.cloned());
    match installed {
        Ok(installed) if installed.rules.iter().any(|rules| !rules.is_empty()) => {
            Err(CliError::OtherBackend("the iptables backend"))
        }
        // Programs that show nothing here have loaded nothing here.
        _ => Ok(()),
    }
}

/// Refuses to install rules of iptables over programs.
pub(super) fn permit_iptables() -> Result<(), CliError> {
    if kernel::is_there() { Err(CliError::OtherBackend("the ebpf backend")) } else { Ok(()) }
}

/// What is installed by this backend; `None` where nothing is.
pub(super) fn installed(loopback: &str, record: Option<Record>) -> Result<Option<Installed>, CliError> {
    let recorded = record.as_ref().is_some_and(|record| record.backend == BackendId::Ebpf.to_string());
    if !recorded && !kernel::is_there() {
        return Ok(None);
    }
    Ok(Some(kernel::look(loopback, record)?))
}

/// With what an installation of this backend is removed.
pub(super) struct Capturing<'a> {
    pub(super) loopback: &'a str,
    pub(super) journal: &'a Journal,
    pub(super) patience: &'a Patience,
}

impl Capturing<'_> {
    /// Removes it. Connections that it captured go on: they are connections to the sidecar.
    pub(super) fn remove(
        &self,
        installed: &Installed,
        dry_run: bool,
        verbose: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        let changes = render::remove(installed, self.loopback);
        let removal = Removal { open_connections: Some(0), foreign_jumps: Some(Vec::new()) };
        if dry_run {
            return match surroundings.output.json {
                true => changes::print_json(&changes, Some(removal), surroundings),
                false => changes::print(&changes, verbose, surroundings),
            };
        }
        show(verbose, &changes, surroundings);
        apply::apply(&changes, &[], self.patience, surroundings.put_signals_off()?)?;
        fault::reach("settled");
        if let Err(error) = self.journal.remove() {
            surroundings.warn(error);
        }
        fault::reach("journal-ended");
        if surroundings.output.json {
            changes::print_json(&changes, Some(removal), surroundings)?;
        }
        surroundings.tell("# transparent proxy cleanup completed successfully");
        Ok(())
    }
}
