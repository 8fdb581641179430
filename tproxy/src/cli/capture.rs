//! `install`, `uninstall` and `status` where the eBPF backend is what captures.
//!
//! Must never add a rule of iptables, nor remove one before what takes its place is there.

use std::path::Path;

use super::Surroundings;
use super::changes::{self, Removal};
use super::confirm::{Guarded, dismiss, permit_install};
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
use crate::apply::record::{Before, Phase, Record, Run};
use crate::backend::ebpf::Ebpf;
use crate::backend::iptables::Iptables;
use crate::backend::{Backend, BackendId};
use crate::config::{Config, Resolved, print};
use crate::ebpf::kernel::{self, EbpfError};
use crate::ebpf::render::{self, Captured, Installed};
use crate::ebpf::unsupported;
use crate::ebpf::without_gone;
use crate::family::IpFamily;
use crate::host::iptables::ToolError;
use crate::host::netns::UnknownIds;
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
        let backend = beside_programs(loopback, record)?;
        let mut installed = rules_beside_programs(backend.as_ref(), loopback, record.cloned())?;
        stored::observe(&mut installed, Some(Purpose::Remove), surroundings)?;
        warn_of_foreign_jumps(&installed, surroundings);
        let mut changes = iptables::render::remove(&installed, loopback);
        changes.retain(|change| !matches!(change, Change::RemoveAddress(_)));
        let redirects = Redirects::installed(&installed);
        Ok(Self { changes, installed, redirects })
    }
}

/// What sees rules that may be there beside programs; `None` where no iptables is found, and no record says that rules were
/// loaded.
pub(super) fn beside_programs(loopback: &str, record: Option<&Record>) -> Result<Option<Iptables>, CliError> {
    match Iptables::for_removal(record, loopback) {
        Ok(backend) => {
            backend.sees_all_of(record)?;
            Ok(Some(backend))
        }
        Err(_) if record.is_none_or(|record| record.tools.is_empty()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The rules that it sees; none where it can do nothing here at all, and no record says that something was loaded with it.
pub(super) fn rules_beside_programs(
    backend: Option<&Iptables>,
    loopback: &str,
    record: Option<Record>,
) -> Result<iptables::render::Installed, CliError> {
    let is_recorded = |tool: &iptables::Tool| record.iter().any(|record| record.tools.contains(tool));
    match backend.map(|backend| backend.observe(record.clone())) {
        None => nothing_seen(loopback, record),
        Some(Err(ToolError::Unusable { tool, .. })) if !is_recorded(&tool) => nothing_seen(loopback, record),
        Some(installed) => Ok(installed?),
    }
}

fn nothing_seen(loopback: &str, record: Option<Record>) -> Result<iptables::render::Installed, CliError> {
    let mark = host::mark_of(loopback, IpFamily::V6.passthrough())?;
    let (has_address, address_mark) = (mark.is_some(), mark.unwrap_or_default());
    Ok(iptables::render::Installed { has_address, address_mark, record, ..Default::default() })
}

/// The changes that remove programs which rules take the place of, once these are there; and how many connections of virtual
/// networks end with them, which not being known keeps nothing from that.
pub(super) fn displaced(loopback: &str) -> Result<(Vec<Change>, Result<usize, EbpfError>), CliError> {
    let Some(installed) = installed(loopback, None)? else { return Ok((Vec::new(), Ok(0))) };
    let is_capture = |change: &Change| matches!(change, Change::Capture(_));
    let changes = render::remove(&installed, loopback).into_iter().filter(is_capture).collect();
    Ok((changes, of_guests(&installed)))
}

/// What programs capture, as it is kept to be returned.
pub(super) fn captured(loopback: &str, record: Option<&Record>) -> Result<Vec<Captured>, CliError> {
    Ok(installed(loopback, record.cloned())?.map(|installed| installed.captured()).unwrap_or_default())
}

/// The changes that make programs capture what they did `before`, and those that end what they did not. What they captured
/// of interfaces that are gone cannot come back, and does not keep the rest from it.
pub(super) fn back(
    before: &[Captured],
    loopback: &str,
    record: &Record,
    surroundings: &mut Surroundings<'_>,
) -> Result<(Vec<Change>, Vec<Change>), CliError> {
    if before.is_empty() && !kernel::is_there() {
        return Ok((Vec::new(), Vec::new()));
    }
    let installed = kernel::look(loopback, Some(record.clone()))?;
    let mut again = |captured: &Captured| {
        let (contents, gone) = without_gone(captured.contents.clone(), &installed.interfaces);
        for index in gone {
            surroundings.warn(format!(
                "interface {index}, which the installation before named, is gone: install again for another"
            ));
        }
        Ok(Captured { place: kernel::again(&captured.place)?, contents })
    };
    let before = before.iter().map(&mut again).collect::<Result<Vec<_>, EbpfError>>()?;
    Ok(render::back(&before, &installed))
}

/// What is installed by this backend; `None` where nothing is.
pub(super) fn installed(loopback: &str, record: Option<Record>) -> Result<Option<Installed>, CliError> {
    let recorded = record.as_ref().is_some_and(|record| record.backend == BackendId::Ebpf.to_string());
    if !recorded && !kernel::is_there() {
        return Ok(None);
    }
    Ok(Some(kernel::look(loopback, record)?))
}

/// How many open connections of virtual networks were captured.
fn of_guests(installed: &Installed) -> Result<usize, EbpfError> {
    let places = installed.found.iter().map(|found| &found.place);
    places.map(|place| kernel::open_connections(place, installed.netns)).sum()
}

pub(super) fn tell_of_guests(count: &Result<usize, EbpfError>, surroundings: &mut Surroundings<'_>) {
    match count {
        Ok(0) => {}
        Ok(count) => {
            surroundings.tell(format!("# of virtual networks {count} captured connections are open: they end"));
        }
        Err(error) => surroundings
            .warn(format!("captured connections of virtual networks end, and cannot be counted: {error}")),
    }
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
