//! `install`, `uninstall` and `status` where the eBPF backend is what captures.
//!
//! Must never add a rule of iptables, nor remove one before what takes its place is there.

use std::path::Path;

use super::Surroundings;
use super::beside::{Rules, of_guests, tell_of_guests};
use super::changes::{self, Removal};
use super::confirm::{Guarded, dismiss, permit_install};
use super::error::CliError;
use super::install::{note, permit_changes, read_record, show};
use super::limits::{Confirmation, Limits};
use super::stored;
use super::traffic;
use crate::apply;
use crate::apply::change::Change;
use crate::apply::fault;
use crate::apply::journal::{self, Journal};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::apply::record::{Before, Phase, Record, Run};
use crate::backend::ebpf::Ebpf;
use crate::backend::{Backend, BackendId};
use crate::config::{Config, Resolved, print};
use crate::ebpf::kernel;
use crate::ebpf::render::{self, Installed};
use crate::ebpf::unsupported;
use crate::ebpf::with_guests;
use crate::host::netns::UnknownIds;
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
    let (backend, plan) = prepare(config, surroundings)?;
    if config.dry_run {
        return dry_run(&backend, &plan, surroundings);
    }
    permit_changes(surroundings)?;
    let patience = limits.patience(config.loading.clone());
    let lock = Lock::acquire(patience.left())?;
    let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
    let before = read_record(&journal, surroundings);
    permit_install(before.as_ref())?;
    let rules = Rules::there(&plan.host.loopback, before.as_ref(), surroundings)?;
    let installed = backend.observe(before.clone())?;
    // First what captures, then what captured: for a moment either does.
    let changes = [backend.render(&plan, &installed)?, rules.changes.clone()].concat();
    if !rules.changes.is_empty() {
        traffic::tell_open(traffic::open_connections(&rules.redirects, surroundings), surroundings);
    }
    if changes.is_empty() {
        surroundings.tell("# the same configuration is installed already: nothing to change");
    }
    look_at_interfaces(&changes, surroundings)?;
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
    let record = Record::applying(run, before.as_ref());
    let mut guarded = confirmation
        .within
        .map(|within| Guarded::new(within, Before::of(&rules.installed, installed.captured())));
    let waited = before.as_ref().is_some_and(|record| record.unconfirmed.is_some());
    Work { rules: &rules, journal: &journal, before, patience: &patience }.commit(
        record,
        &mut guarded,
        surroundings,
    )?;
    drop(lock);
    if waited {
        dismiss(surroundings);
    }
    if surroundings.output.json {
        changes::print_json(&changes, None, surroundings)?;
    }
    surroundings.tell("# transparent proxy setup completed successfully");
    if let Some(guarded) = guarded {
        surroundings.tell(guarded.advice());
    }
    Ok(())
}

/// A backend that can do all of `config`, and what that means here. Whatever cannot be had is refused.
fn prepare(config: &Config, surroundings: &mut Surroundings<'_>) -> Result<(Ebpf, Plan), CliError> {
    let facts = facts(config, surroundings)?;
    let sidecar = if config.dry_run { Sidecar::MayBeAssumed } else { Sidecar::MustExist };
    let (plan, notes) = plan::resolve(config, &facts, sidecar)?;
    Ebpf::supports(config, &plan)?;
    let ids = netns::ids().map_err(|unknown| match unknown {
        UnknownIds::Host(error) => error.into(),
        unknown => CliError::Refused(unknown.to_string()),
    })?;
    let backend = Ebpf::new(config, &facts.loopback, ids)?;
    backend.is_able(&plan)?;
    tell_notes(config, &plan, &notes, surroundings);
    Ok((backend, plan))
}

/// With what an installation is carried out.
struct Work<'a> {
    rules: &'a Rules,
    journal: &'a Journal,
    /// What the journal said before.
    before: Option<Record>,
    patience: &'a Patience,
}

impl Work<'_> {
    /// Applies changes between two records of the journal; on failure the journal says again what it said before.
    fn commit(
        self,
        mut record: Record,
        guarded: &mut Option<Guarded>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        let Self { rules, journal, before, patience } = self;
        let waits = before.as_ref().is_some_and(|record| record.unconfirmed.is_some());
        let is_complete = before.as_ref().is_some_and(|record| record.phase == Phase::Installed) && !waits;
        let changes = record.changes.clone();
        if changes.is_empty() && is_complete {
            return Ok(());
        }
        // Where nothing changes, there is nothing to come back.
        let mut guarded = guarded.as_mut().filter(|_| waits || !changes.is_empty());
        match &mut guarded {
            Some(guarded) => record = guarded.begin(journal, record)?,
            None => note(journal.write(&record), surroundings),
        }
        fault::reach("journal-begun");
        match apply::apply(&changes, &rules.installed.rules, patience, surroundings.put_signals_off()?) {
            Ok(_) => {
                traffic::settle_queries(None, &rules.redirects, surroundings);
                let record = record.installed();
                let record = match guarded {
                    Some(guarded) => guarded.record(record)?,
                    None => record,
                };
                note(journal.write(&record), surroundings);
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
}

fn dry_run(backend: &Ebpf, plan: &Plan, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let installed = if nix::unistd::geteuid().is_root() {
        backend.observe(None)?
    } else {
        surroundings.warn("[dry-run]: without root, what is installed already cannot be seen");
        Installed { interfaces: kernel::interfaces()?, ..Installed::default() }
    };
    let rendered = backend.render(plan, &installed)?;
    look_at_interfaces(&rendered, surroundings)?;
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

fn tell_notes(config: &Config, plan: &Plan, notes: &[Note], surroundings: &mut Surroundings<'_>) {
    for note in notes {
        surroundings.warn(note);
    }
    let patterns = unsupported::patterns(plan);
    if !patterns.is_empty() {
        surroundings.warn(format!(
            "{} means the interfaces that are there now; where another one comes, install again",
            patterns.join(" and ")
        ));
    }
    let without_effect = unsupported::without_effect(config);
    if !without_effect.is_empty() {
        surroundings.warn(format!(
            "{} concern rules of iptables alone, and change nothing with the ebpf backend",
            without_effect.join(", ")
        ));
    }
}

/// Refuses interfaces that have no room for programs, and warns where others come first: what these accept, later ones do not
/// see.
fn look_at_interfaces(changes: &[Change], surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let contents = changes.iter().filter_map(|change| match change {
        Change::Capture(capture) => capture.after.as_ref(),
        _ => None,
    });
    for index in contents.flat_map(with_guests) {
        kernel::require_room(index)?;
        match kernel::others_ahead(index) {
            Ok(false) => {}
            Ok(true) => surroundings.warn(format!(
                "at {} a program of somebody else comes first (a filter with a smaller number than ours, or a tcx program): \
                 what it accepts is not captured",
                kernel::name_of(index)
            )),
            // A dry run without root has said that it does not see everything.
            Err(_) if !nix::unistd::geteuid().is_root() => {}
            // What only a warning is asked for keeps nobody from installing.
            Err(error) => surroundings.warn(format!("whether programs of others come before ours is not known: {error}")),
        }
    }
    Ok(())
}

/// With what an installation of this backend is removed.
pub(super) struct Capturing<'a> {
    pub(super) loopback: &'a str,
    pub(super) journal: &'a Journal,
    pub(super) patience: &'a Patience,
}

impl Capturing<'_> {
    /// Removes it, and rules beside it, which a run that was ended half-way may have left. Connections that programs captured
    /// go on: they are connections to the sidecar. Those of virtual networks end.
    pub(super) fn remove(
        &self,
        installed: &Installed,
        lock: Option<Lock>,
        dry_run: bool,
        verbose: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        let record = installed.record.as_ref();
        let waits = record.is_some_and(|record| record.unconfirmed.is_some());
        let rules = Rules::there(self.loopback, record, surroundings)?;
        let changes = [rules.changes.clone(), render::remove(installed, self.loopback)].concat();
        let open = match rules.changes.is_empty() {
            true => Some(0),
            false => traffic::open_connections(&rules.redirects, surroundings),
        };
        let of_guests = of_guests(installed);
        let foreign_jumps = Some(rules.installed.foreign_jumps().collect());
        let open_connections = open.zip(of_guests.as_ref().ok()).map(|(open, of_guests)| open + of_guests);
        let removal = Removal { open_connections, foreign_jumps };
        if dry_run {
            if surroundings.output.json {
                return changes::print_json(&changes, Some(removal), surroundings);
            }
            traffic::tell_open(open, surroundings);
            tell_of_guests(&of_guests, surroundings);
            return changes::print(&changes, verbose, surroundings);
        }
        tell_of_guests(&of_guests, surroundings);
        show(verbose, &changes, surroundings);
        apply::apply(&changes, &rules.installed.rules, self.patience, surroundings.put_signals_off()?)?;
        traffic::settle_queries(None, &rules.redirects, surroundings);
        fault::reach("settled");
        if let Err(error) = self.journal.remove() {
            surroundings.warn(error);
        }
        fault::reach("journal-ended");
        drop(lock);
        if waits {
            dismiss(surroundings);
        }
        traffic::tell_open(open, surroundings);
        if surroundings.output.json {
            changes::print_json(&changes, Some(removal), surroundings)?;
        }
        stored::tell(&changes, surroundings);
        surroundings.tell("# transparent proxy cleanup completed successfully");
        Ok(())
    }
}
