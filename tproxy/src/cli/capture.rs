//! `install`, `uninstall` and `status` where the eBPF backend is what captures.
//!
//! Must never add a rule of iptables, nor remove one before what takes its place is there.

use std::path::Path;

use super::Surroundings;
use super::changes::{self, Removal};
use super::error::CliError;
use super::install::{note, permit_changes, read_record, show, warn_of_foreign_jumps};
use super::limits::{Confirmation, Limits};
use super::stored::{self, Purpose};
use super::traffic;
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
use crate::host::iptables::ToolError;
use crate::host::{self, HostFacts, netns};
use crate::iptables;
use crate::iptables::redirects::Redirects;
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
    backend.is_able(&plan)?;
    tell_notes(config, &plan, &notes, surroundings);
    if config.dry_run {
        return dry_run(&backend, &plan, surroundings);
    }
    permit_changes(surroundings)?;
    let patience = limits.patience(config.loading.clone());
    let lock = Lock::acquire(patience.left())?;
    let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
    let before = read_record(&journal, surroundings);
    let rules = Rules::there(&facts.loopback, before.as_ref(), surroundings)?;
    let installed = backend.observe(before.clone())?;
    // First what captures, then what captured: for a moment either does.
    let changes = [backend.render(&plan, &installed)?, rules.changes.clone()].concat();
    if !rules.changes.is_empty() {
        traffic::tell_open(traffic::open_connections(&rules.redirects, surroundings), surroundings);
    }
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
    commit(&rules, Record::applying(run, before.as_ref()), &journal, &patience, surroundings)?;
    drop(lock);
    if surroundings.output.json {
        changes::print_json(&changes, None, surroundings)?;
    }
    surroundings.tell("# transparent proxy setup completed successfully");
    Ok(())
}

/// Applies changes between two records of the journal; on failure the journal says again what it said before.
fn commit(
    rules: &Rules,
    record: Record,
    journal: &Journal,
    patience: &Patience,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let before = read_record(journal, surroundings);
    let is_complete = before.as_ref().is_some_and(|record| record.phase == Phase::Installed);
    let changes = record.changes.clone();
    if changes.is_empty() && is_complete {
        return Ok(());
    }
    note(journal.write(&record), surroundings);
    fault::reach("journal-begun");
    match apply::apply(&changes, &rules.installed.rules, patience, surroundings.put_signals_off()?) {
        Ok(_) => {
            traffic::settle_queries(None, &rules.redirects, surroundings);
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
        Installed { interfaces: kernel::interfaces()?, ..Installed::default() }
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

/// Rules of iptables that these programs take the place of.
struct Rules {
    changes: Vec<Change>,
    installed: iptables::render::Installed,
    redirects: Redirects,
}

impl Rules {
    /// Those that are there; nothing where there are none. What they added beside rules stays: programs need it, too.
    fn there(
        loopback: &str,
        record: Option<&Record>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Self, CliError> {
        // Where programs are missing, or show nothing, rules that somebody recorded cannot be removed: that is said.
        let backend = match Iptables::for_removal(record, loopback) {
            Ok(backend) => backend,
            Err(_) if record.is_none_or(|record| record.tools.is_empty()) => return Ok(Self::none()),
            Err(error) => return Err(error.into()),
        };
        backend.sees_all_of(record)?;
        let mut installed = match backend.observe(record.cloned()) {
            Ok(installed) => installed,
            Err(ToolError::Unusable { .. }) => return Ok(Self::none()),
            Err(error) => return Err(error.into()),
        };
        stored::observe(&mut installed, Some(Purpose::Remove), surroundings)?;
        warn_of_foreign_jumps(&installed, surroundings);
        let mut changes = backend.remove(&installed);
        changes.retain(|change| !matches!(change, Change::RemoveAddress(_)));
        let redirects = Redirects::installed(&installed);
        Ok(Self { changes, installed, redirects })
    }

    fn none() -> Self {
        let installed = iptables::render::Installed::default();
        Self { changes: Vec::new(), redirects: Redirects::installed(&installed), installed }
    }
}

/// The changes that remove programs which rules take the place of, once these are there.
pub(super) fn displaced(loopback: &str) -> Result<Vec<Change>, CliError> {
    if !kernel::is_there() {
        return Ok(Vec::new());
    }
    let installed = kernel::look(loopback, None)?;
    let is_capture = |change: &Change| matches!(change, Change::Capture(_));
    Ok(render::remove(&installed, loopback).into_iter().filter(is_capture).collect())
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
    /// Removes it. Connections that it captured go on: they are connections to the sidecar. Those of virtual networks end.
    pub(super) fn remove(
        &self,
        installed: &Installed,
        dry_run: bool,
        verbose: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), CliError> {
        let changes = render::remove(installed, self.loopback);
        let places = installed.found.iter().map(|found| &found.place);
        let open: usize =
            places.map(|place| kernel::open_connections(place, installed.netns)).sum::<Result<_, _>>()?;
        let removal = Removal { open_connections: Some(open), foreign_jumps: Some(Vec::new()) };
        if dry_run {
            return match surroundings.output.json {
                true => changes::print_json(&changes, Some(removal), surroundings),
                false => changes::print(&changes, verbose, surroundings),
            };
        }
        if open > 0 {
            surroundings
                .tell(format!("# of virtual networks {open} captured connections are open: they end"));
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
