//! `tproxy install`.

use std::path::Path;

use clap::Args;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::blame::blame;
use super::changes;
use super::confirm::{Guarded, dismiss, permit_install};
use super::course::{Course, Way};
use super::error::CliError;
use super::limits::{Confirmation, Limits};
use super::sources;
use super::stored::{self, Purpose};
use super::traffic;
use super::{beside, capture};
use crate::apply::change::{Change, StoredFile};
use crate::apply::journal::{self, Journal, JournalError};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::apply::record::{Before, Phase, Record, Run};
use crate::apply::{self, ApplyError, fault};
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::config::{BackendChoice, Config, Resolved, print};
use crate::host::iptables::{self, Candidates, ToolError};
use crate::host::netns;
use crate::iptables::Flavour;
use crate::iptables::redirects::Redirects;
use crate::iptables::render::Installed;
use crate::iptables::rule;
use crate::plan::{Plan, Sidecar};

/// The flags of `tproxy install`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tproxy install --kuma-dp-user kuma-dp --exclude-inbound-ports 22
  tproxy install --config /etc/tproxy/config.yaml --dry-run

Every option can be set by a flag, by a variable and in a file; flags win over variables, \
variables over files. `tproxy config --origin` shows what came from where.")]
pub(super) struct Install {
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    configuration: ConfigurationFlags,
}

impl Install {
    pub(super) fn run(&self, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let resolved = sources::configuration(&self.configuration, surroundings)?;
        self.install(&resolved, surroundings).map_err(|error| blame(error, &resolved))
    }

    fn install(&self, resolved: &Resolved, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
        let config = &resolved.config;
        if config.backend == BackendChoice::Ebpf {
            return capture::install(resolved, &self.limits, &self.confirmation, surroundings);
        }
        if config.dry_run {
            return dry_run(config, surroundings);
        }
        permit_changes(surroundings)?;
        let patience = self.limits.patience(config.loading.clone());
        let mut course = Course::begin(config, iptables::candidates(config)?, Sidecar::MustExist)?;
        let lock = Lock::acquire(patience.left())?;
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let before = read_record(&journal, surroundings);
        permit_install(before.as_ref())?;
        let waited = before.as_ref().is_some_and(|record| record.unconfirmed.is_some());
        let purpose = Purpose::of(config);
        let mut installed = course.backend.observe(before.clone())?;
        stored::observe(&mut installed, purpose, surroundings)?;
        warn_of_doubtful(&installed, surroundings);
        warn_of_foreign_jumps(&installed, surroundings);
        course.choose(&installed, surroundings)?;
        let (verbose, configuration) = (config.verbose, print::chosen(resolved));
        let guarded = match self.confirmation.within {
            None => None,
            Some(within) => {
                let captured = beside::captured(&course.plan.host.loopback, before.as_ref())?;
                Some(Guarded::new(within, Before::of(&installed, captured)))
            }
        };
        let mut means = Means { patience, journal, before, configuration, verbose, purpose, guarded };
        let made = carry_out(&mut course, installed, &mut means, surroundings)?;
        // Whoever locked himself out reads nothing, and what is printed may wait for him.
        drop(lock);
        if waited {
            dismiss(surroundings);
        }
        if surroundings.output.json {
            changes::print_json(&made, None, surroundings)?;
        }
        stored::tell(&made, surroundings);
        surroundings.tell("# transparent proxy setup completed successfully");
        if let Some(guarded) = means.guarded {
            surroundings.tell(guarded.advice());
        }
        Ok(())
    }
}

/// With what an installation is carried out.
struct Means {
    patience: Patience,
    journal: Journal,
    /// What the journal said before.
    before: Option<Record>,
    /// The settings that the user chose.
    configuration: serde_json::Value,
    /// Whether to show what is executed.
    verbose: bool,
    /// What firewalld's configuration is looked at for.
    purpose: Option<Purpose>,
    /// Where somebody has to confirm.
    guarded: Option<Guarded>,
}

/// How often what is installed is looked at, where other programs change it at the same time.
pub(super) const LOOKS: u32 = 4;

/// Installs, going round what turns out to be missing and what others do meanwhile, and returns the changes that were
/// made last.
fn carry_out(
    course: &mut Course<'_>,
    mut installed: Installed,
    means: &mut Means,
    surroundings: &mut Surroundings<'_>,
) -> Result<Vec<Change>, CliError> {
    let mut made = Vec::new();
    for _ in 0..LOOKS {
        let mut changes = course.backend.render(&course.plan, &installed)?;
        // Programs of the other backend go when the rules are there.
        let (displaced, of_guests) = beside::displaced(&course.plan.host.loopback)?;
        changes.extend(displaced);
        if changes.is_empty() {
            if made.is_empty() {
                surroundings.tell("# the same configuration is installed already: nothing to change");
            }
            complete(Work::of(course, &installed, &changes, means), means, surroundings)?;
            return Ok(made);
        }
        // What every installation needs is there almost always, and a try costs as much as loading it.
        if Iptables::asks_for_more(&course.plan) {
            match course.go_round(&installed, &means.patience, surroundings)? {
                Way::Round => continue,
                Way::Blocked(lacking) if lacking.is_asked_for() => return Err(CliError::Lacking(lacking)),
                Way::Blocked(_) | Way::Straight => {}
            }
        }
        show(means.verbose, &changes, surroundings);
        let error = match commit(Work::of(course, &installed, &changes, means), means, surroundings) {
            Ok(at_once) => {
                beside::tell_of_guests(&of_guests, surroundings);
                if at_once {
                    return Ok(changes);
                }
                None
            }
            Err(CliError::Apply(error)) if error.is_refusal() => Some(error),
            Err(error) => return Err(error),
        };
        means.before = read_record(&means.journal, surroundings);
        let mut now = course.backend.observe(means.before.clone())?;
        stored::observe(&mut now, means.purpose, surroundings)?;
        let before = std::mem::replace(&mut installed, now);
        let Some(error) = error else {
            made = changes;
            continue;
        };
        if !installed.stands_as(&before) {
            continue;
        }
        match course.go_round(&installed, &means.patience, surroundings)? {
            Way::Round => {}
            Way::Blocked(lacking) => return Err(CliError::Blocked { error, lacking }),
            Way::Straight => return Err(error.into()),
        }
    }
    Err(CliError::Restless)
}

/// Refuses where nothing may be changed, before anything is read.
pub(super) fn permit_changes(surroundings: &Surroundings<'_>) -> Result<(), CliError> {
    netns::permit(surroundings.variables.get(netns::FORBID_VARIABLE).map(String::as_str))?;
    if nix::unistd::geteuid().is_root() {
        Ok(())
    } else {
        Err(CliError::NotRoot("changing this network namespace", ", or with --dry-run to look only"))
    }
}

/// A journal that cannot be read is said and done without: rules are recognised without it.
pub(super) fn read_record(journal: &Journal, surroundings: &mut Surroundings<'_>) -> Option<Record> {
    journal.read().unwrap_or_else(|error| {
        surroundings.warn(format!("{error}; going on without it"));
        None
    })
}

/// Rules stay that may be Kuma's, and may be somebody else's.
pub(super) fn warn_of_doubtful(installed: &Installed, surroundings: &mut Surroundings<'_>) {
    for rule in installed.doubtful() {
        surroundings.warn(format!(
            "this rule may be of Kuma, which wrote no comments, or of another program: {rule}; it stays: delete it if \
             it is Kuma's"
        ));
    }
}

/// Rules go of which another program may believe that they are there.
pub(super) fn warn_of_foreign_jumps(installed: &Installed, surroundings: &mut Surroundings<'_>) {
    for rule in installed.foreign_jumps() {
        surroundings.warn(format!(
            "this rule of another program leads to a chain of tproxy and is removed: {rule}; whoever made it must not \
             rely on it"
        ));
    }
}

/// The record of what is there already: written where there is none, or where a run that was ended after its last change
/// left word of work in progress.
fn complete(
    work: Work<'_>,
    Means { journal, before, guarded, .. }: &mut Means,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    if before.as_ref().is_some_and(|record| record.phase == Phase::Applying) {
        traffic::settle_queries(Some(work.plan), &work.redirects, surroundings);
    }
    let waits = before.as_ref().is_some_and(|record| record.unconfirmed.is_some());
    let is_complete = |record: &Record| record.phase == Phase::Installed && !record.rules.is_empty();
    match guarded {
        Some(guarded) if waits => {
            guarded.begin(journal, work.record(before.as_ref())?.installed())?;
        }
        _ if !waits && before.as_ref().is_some_and(is_complete) => {}
        _ => note(journal.write(&work.record(before.as_ref())?.installed()), surroundings),
    }
    Ok(())
}

/// What is about to be done.
struct Work<'a> {
    changes: &'a [Change],
    backend: &'a Iptables,
    plan: &'a Plan,
    /// What is there before.
    installed: &'a Installed,
    /// Where flows were and will be redirected.
    redirects: Redirects,
    /// The settings that the user chose.
    configuration: serde_json::Value,
}

impl<'a> Work<'a> {
    fn of(course: &'a Course<'_>, installed: &'a Installed, changes: &'a [Change], means: &Means) -> Self {
        let configuration = means.configuration.clone();
        let redirects = Redirects::installed(installed).and_planned(&course.plan);
        Self { changes, backend: &course.backend, plan: &course.plan, installed, redirects, configuration }
    }

    /// The record of this run, over what `before` recorded.
    fn record(&self, before: Option<&Record>) -> Result<Record, CliError> {
        let run = Run {
            boot_id: &netns::boot_id()?,
            backend: &self.backend.id().to_string(),
            digest: self.plan.digest(),
            configuration: self.configuration.clone(),
            rules: self.backend.record_of(self.plan, self.installed),
            comments: self.plan.iptables.comments,
            changes: self.changes,
        };
        Ok(Record::applying(run, before))
    }
}

/// Applies changes between two records of the journal; on failure the journal says again what it said before. Returns
/// whether all went well at once.
fn commit(
    work: Work<'_>,
    Means { patience, journal, before, guarded, .. }: &mut Means,
    surroundings: &mut Surroundings<'_>,
) -> Result<bool, CliError> {
    let changes = work.changes;
    let mut record = work.record(before.as_ref())?;
    match guarded {
        Some(guarded) => record = guarded.begin(journal, record)?,
        None => note(journal.write(&record), surroundings),
    }
    fault::reach("journal-begun");
    match apply::apply(changes, &work.installed.rules, patience, surroundings.put_signals_off()?) {
        Ok(at_once) => {
            traffic::settle_queries(Some(work.plan), &work.redirects, surroundings);
            fault::reach("settled");
            let record = record.installed();
            let record = match guarded {
                Some(guarded) => guarded.record(record)?,
                None => record,
            };
            note(journal.write(&record), surroundings);
            fault::reach("journal-ended");
            Ok(at_once)
        }
        Err(error) => {
            if let ApplyError::RolledBack { .. } = error {
                let restored =
                    before.as_ref().map_or_else(|| journal.remove(), |before| journal.write(before));
                note(restored, surroundings);
            }
            Err(error.into())
        }
    }
}

/// A journal that cannot be written is said and done without.
pub(super) fn note(result: Result<(), JournalError>, surroundings: &mut Surroundings<'_>) {
    if let Err(error) = result {
        surroundings.warn(format!("{error}; going on without it"));
    }
}

/// With `--verbose`: what is going to be executed.
pub(super) fn show(verbose: bool, changes: &[Change], surroundings: &mut Surroundings<'_>) {
    for change in changes.iter().filter(|_| verbose) {
        surroundings.tell(format!("# {change}"));
        match change {
            Change::Restore { forward, .. } => surroundings.tell(rule::lengthened(forward)),
            Change::Store(StoredFile { after: Some(text), .. }) => surroundings.tell(text.trim_end()),
            _ => {}
        }
    }
}

/// Prints what would be changed, where there are no programs to change it with, too (Kuma behaviour).
fn dry_run(config: &Config, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let (candidates, are_there) = match iptables::candidates(config) {
        Err(ToolError::NotFound(flavour)) => {
            let error = ToolError::NotFound(flavour);
            surroundings.warn(format!("[dry-run]: {error}; these are the rules of a host that has it"));
            (Candidates::assumed(flavour.unwrap_or(Flavour::Nft)), false)
        }
        found => (found?, true),
    };
    let mut course = Course::begin(config, candidates, Sidecar::MayBeAssumed)?;
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        surroundings.warn("[dry-run]: without root, rules that are installed already cannot be seen");
    }
    let mut installed = if is_root && are_there {
        course.backend.observe(None)?
    } else {
        Installed { rules: course.backend.nothing_installed(), ..Installed::default() }
    };
    stored::observe(&mut installed, Purpose::of(config), surroundings)?;
    warn_of_foreign_jumps(&installed, surroundings);
    course.choose(&installed, surroundings)?;
    let rendered = course.backend.render(&course.plan, &installed)?;
    if surroundings.output.json {
        return changes::print_json(&rendered, None, surroundings);
    }
    changes::print(&rendered, config.verbose, surroundings)
}
