//! `tproxy install`.

use std::path::Path;

use clap::Args;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::blame::blame;
use super::error::CliError;
use super::limits::Limits;
use super::sources;
use super::stored::{self, Purpose};
use crate::apply::change::{Change, StoredFile};
use crate::apply::journal::{self, Journal, JournalError};
use crate::apply::lock::Lock;
use crate::apply::patience::Patience;
use crate::apply::record::{Phase, Record, Run};
use crate::apply::{self, ApplyError};
use crate::backend::Backend;
use crate::backend::iptables::Iptables;
use crate::config::{BackendChoice, Config, Resolved, print};
use crate::host::iptables::{ToolError, Tools};
use crate::host::{self, netns};
use crate::iptables::render::Installed;
use crate::iptables::rule;
use crate::plan::{self, Plan, Sidecar};

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
            return Err(CliError::WithoutEbpf);
        }
        if config.dry_run {
            return dry_run(config, surroundings);
        }
        permit_changes(surroundings)?;
        let patience = self.limits.patience(config.loading.clone());
        let tools = host::iptables::find(config)?;
        let (backend, plan) = plan(config, tools, Sidecar::MustExist, surroundings)?;
        let _lock = Lock::acquire(patience.left())?;
        let journal = Journal::of_this_namespace(Path::new(journal::DIRECTORY))?;
        let before = read_record(&journal, surroundings);
        let mut installed = backend.observe(before.clone())?;
        stored::observe(&mut installed, Purpose::of(config), surroundings)?;
        warn_of_doubtful(&installed, surroundings);
        let changes = backend.render(&plan, &installed)?;
        if changes.is_empty() {
            surroundings.tell("# the same configuration is installed already: nothing to change");
            complete(&journal, before, surroundings);
        } else {
            show(config.verbose, &changes, surroundings);
            let work = Work {
                changes: &changes,
                backend: &backend,
                plan: &plan,
                configuration: print::chosen(resolved),
            };
            commit(work, &patience, &journal, before, surroundings)?;
        }
        print_done(&changes, surroundings)?;
        stored::tell(&changes, surroundings);
        surroundings.tell("# transparent proxy setup completed successfully");
        Ok(())
    }
}

/// With `--json`: what was changed.
pub(super) fn print_done(changes: &[Change], surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    if surroundings.output.json { surroundings.print_json(&changes) } else { Ok(()) }
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

/// The backend that installs with `tools`, and the plan for this host.
fn plan(
    config: &Config,
    tools: Tools,
    sidecar: Sidecar,
    surroundings: &mut Surroundings<'_>,
) -> Result<(Iptables, Plan), CliError> {
    let mut facts = host::facts(config)?;
    let backend = Iptables::new(tools, &facts.loopback);
    facts.without_ipv6 = facts.without_ipv6.or(backend.probe().without_ipv6);
    let (plan, notes) = plan::resolve(config, &facts, sidecar)?;
    for note in notes {
        surroundings.warn(note);
    }
    Ok((backend, plan))
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

/// A run that was ended after its last change left word of work in progress: there is none.
fn complete(journal: &Journal, before: Option<Record>, surroundings: &mut Surroundings<'_>) {
    if let Some(record) = before.filter(|record| record.phase == Phase::Applying)
        && let Err(error) = journal.write(&record.installed())
    {
        surroundings.warn(format!("{error}; going on without it"));
    }
}

/// What is about to be done.
struct Work<'a> {
    changes: &'a [Change],
    backend: &'a Iptables,
    plan: &'a Plan,
    /// The settings that the user chose.
    configuration: serde_json::Value,
}

/// Applies changes between two records of the journal; on failure the journal says again what it said before.
fn commit(
    work: Work<'_>,
    patience: &Patience,
    journal: &Journal,
    before: Option<Record>,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let (boot_id, id) = (netns::boot_id()?, work.backend.id().to_string());
    let (digest, changes) = (work.plan.digest(), work.changes);
    let run = Run { boot_id: &boot_id, backend: &id, digest, configuration: work.configuration, changes };
    let record = Record::applying(run, before.as_ref());
    note(journal.write(&record), surroundings);
    match apply::apply(changes, patience, surroundings.put_signals_off()?) {
        Ok(()) => {
            note(journal.write(&record.installed()), surroundings);
            Ok(())
        }
        Err(error) => {
            if let ApplyError::RolledBack { .. } = error {
                note(before.map_or_else(|| journal.remove(), |before| journal.write(&before)), surroundings);
            }
            Err(error.into())
        }
    }
}

/// A journal that cannot be written is said and done without.
fn note(result: Result<(), JournalError>, surroundings: &mut Surroundings<'_>) {
    if let Err(error) = result {
        surroundings.warn(format!("{error}; going on without it"));
    }
}

/// With `--verbose`: what is going to be executed.
pub(super) fn show(verbose: bool, changes: &[Change], surroundings: &mut Surroundings<'_>) {
    for change in changes.iter().filter(|_| verbose) {
        surroundings.tell(format!("# {change}"));
        match change {
            Change::Restore { forward, .. } => surroundings.tell(rule::lengthened(forward).trim_end()),
            Change::Store(StoredFile { after: Some(text), .. }) => surroundings.tell(text.trim_end()),
            _ => {}
        }
    }
}

/// Prints what would be changed, where there are no programs to change it with, too (Kuma behaviour).
fn dry_run(config: &Config, surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    let (tools, are_there) = match host::iptables::find(config) {
        Err(ToolError::NotFound(flavour)) => {
            let error = ToolError::NotFound(flavour);
            surroundings.warn(format!("[dry-run]: {error}; these are the rules of a host that has it"));
            (Tools::assumed(flavour), false)
        }
        found => (found?, true),
    };
    let (backend, plan) = plan(config, tools, Sidecar::MayBeAssumed, surroundings)?;
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        surroundings.warn("[dry-run]: without root, rules that are installed already cannot be seen");
    }
    let mut installed = if is_root && are_there {
        backend.observe(None)?
    } else {
        Installed { rules: backend.nothing_installed(), has_address: false, record: None, stored: None }
    };
    stored::observe(&mut installed, Purpose::of(config), surroundings)?;
    print_changes(&backend.render(&plan, &installed)?, config.verbose, surroundings)
}

/// The changes by family, in Kuma's shape: a heading and what would be loaded.
pub(super) fn print_changes(
    changes: &[Change],
    verbose: bool,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    if surroundings.output.json {
        return surroundings.print_json(&changes);
    }
    if changes.is_empty() {
        return Ok(writeln!(surroundings.out, "# nothing to change")?);
    }
    let mut blocks = Vec::new();
    let mut files = Vec::new();
    let mut addresses = Vec::new();
    for change in changes {
        match change {
            Change::Restore { tool, forward, .. } => {
                let text = if verbose { rule::lengthened(forward) } else { forward.clone() };
                blocks.push(format!("### {} ###\n\n{}", tool.family.title(), text.trim_end()));
            }
            Change::Store(StoredFile { path, after: Some(text), .. }) => {
                files.push(format!("### {} ###\n\n{}", path.display(), text.trim_end()));
            }
            address => addresses.push(format!("# {address}")),
        }
    }
    blocks.append(&mut files);
    if !addresses.is_empty() {
        blocks.push(addresses.join("\n"));
    }
    writeln!(surroundings.out, "{}", blocks.join("\n\n"))?;
    Ok(())
}
