//! The way back: to nothing, or to what was there before an installation that nobody confirmed.
//!
//! Must never decide whether to go back.

use super::Surroundings;
use super::beside;
use super::error::CliError;
use super::install::{LOOKS, show};
use super::stored::{self, Purpose};
use super::traffic;
use crate::apply;
use crate::apply::change::Change;
use crate::apply::journal::Journal;
use crate::apply::patience::Patience;
use crate::apply::record::{Before, Record, Unconfirmed};
use crate::config::Config;
use crate::host;
use crate::iptables::redirects::Redirects;
use crate::iptables::render::{self, Installed};

/// Carries out the changes that `to` makes of what is installed, whatever other programs do meanwhile, until none are left,
/// and returns those that were made last. `look` says what is installed.
pub(super) fn lead(
    look: impl Fn(Option<Record>, &mut Surroundings<'_>) -> Result<Installed, CliError>,
    mut installed: Installed,
    to: impl Fn(&Installed) -> Vec<Change>,
    patience: &Patience,
    verbose: bool,
    surroundings: &mut Surroundings<'_>,
) -> Result<Vec<Change>, CliError> {
    let mut made = Vec::new();
    for _ in 0..LOOKS {
        let changes = to(&installed);
        show(verbose, &changes, surroundings);
        let error = match apply::apply(&changes, &installed.rules, patience, surroundings.put_signals_off()?)
        {
            Ok(_) if changes.is_empty() => return Ok(made),
            Ok(true) => return Ok(changes),
            Ok(false) => None,
            Err(error) if error.is_refusal() => Some(error),
            Err(error) => return Err(error.into()),
        };
        let before = installed;
        installed = look(before.record.clone(), surroundings)?;
        match error {
            None => made = changes,
            Some(error) if installed.stands_as(&before) => return Err(error.into()),
            Some(_) => {}
        }
    }
    Err(CliError::Restless)
}

/// Returns the state before the installation that `record` is about: our part of it, while rules of others stay as they
/// are. The caller holds the lock.
pub(super) fn return_before(
    journal: &Journal,
    record: &Record,
    unconfirmed: &Unconfirmed,
    patience: &Patience,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let before = &unconfirmed.before;
    let facts = host::facts(&Config::default())?;
    let loopback = facts.loopback.as_str();
    let (captures, ended) = beside::back(&before.captured, loopback, record, surroundings)?;
    let backend = beside::iptables_for_rules(loopback, Some(record))?;
    let look =
        |record: Option<Record>, _: &mut Surroundings<'_>| beside::rules(backend.as_ref(), loopback, record);
    let installed = look(Some(record.clone()), surroundings)?;
    let redirects = Redirects::installed(&installed);
    // What captured before comes first, and what captures now goes last: for a moment either does.
    let to = |installed: &Installed| {
        let rules = render::back(before, record, installed, loopback);
        let (address, rules): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|change| matches!(change, Change::RemoveAddress(_)));
        [captures.clone(), rules, ended.clone(), address].concat()
    };
    lead(look, installed, to, patience, false, surroundings)?;
    if let Err(error) = return_stored(before, patience, surroundings) {
        surroundings
            .warn(format!("{error}; the rules are as before, and what is stored for firewalld is not"));
    }
    traffic::return_queries(&Redirects::of(&before.rules), &redirects, surroundings);
    Ok(before.record.as_ref().map_or_else(|| journal.remove(), |record| journal.write(record))?)
}

/// Returns what was stored for firewalld. It loads that at a later time, so that the rules do not wait for it.
fn return_stored(
    before: &Before,
    patience: &Patience,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    let Some(text) = &before.stored else { return Ok(()) };
    let mut installed = Installed::default();
    stored::observe(&mut installed, Some(Purpose::Store), surroundings)?;
    let Some(file) = installed.stored.and_then(|file| file.returned(text)) else { return Ok(()) };
    apply::apply(&[Change::Store(file)], &[], patience, surroundings.put_signals_off()?)?;
    Ok(())
}
