//! Rules and programs beside each other, where one backend takes the place of the other: what of the other is there.
//!
//! Must never take what cannot be seen for nothing, where a record says that something is there.

use super::Surroundings;
use super::error::CliError;
use super::install::warn_of_foreign_jumps;
use super::stored::{self, Purpose};
use crate::apply::change::Change;
use crate::apply::record::Record;
use crate::backend::iptables::Iptables;
use crate::backend::{Backend, BackendId};
use crate::ebpf::kernel::{self, EbpfError};
use crate::ebpf::render::{self, Captured, Installed};
use crate::ebpf::without_gone;
use crate::family::IpFamily;
use crate::host;
use crate::host::iptables::ToolError;
use crate::iptables;
use crate::iptables::redirects::Redirects;

/// Rules of iptables that these programs take the place of.
pub(super) struct Rules {
    pub(super) changes: Vec<Change>,
    pub(super) installed: iptables::render::Installed,
    pub(super) redirects: Redirects,
}

impl Rules {
    /// Those that are there; nothing where there are none. What they added beside rules stays: programs need it, too.
    pub(super) fn there(
        loopback: &str,
        record: Option<&Record>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Self, CliError> {
        // Where programs are missing, or show nothing, rules that somebody recorded cannot be removed: that is said.
        let backend = iptables_for_rules(loopback, record)?;
        let mut installed = rules(backend.as_ref(), loopback, record.cloned())?;
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
pub(super) fn iptables_for_rules(
    loopback: &str,
    record: Option<&Record>,
) -> Result<Option<Iptables>, CliError> {
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
pub(super) fn rules(
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

/// Rules of which none are seen.
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
pub(super) fn of_guests(installed: &Installed) -> Result<usize, EbpfError> {
    let places = installed.found.iter().map(|found| &found.place);
    places.map(|place| kernel::open_connections(place, installed.netns)).sum()
}

pub(super) fn tell_of_guests(count: &Result<usize, EbpfError>, surroundings: &mut Surroundings<'_>) {
    match count {
        Ok(0) => {}
        Ok(count) => {
            surroundings
                .tell(format!("# of virtual networks {count} captured connections are open: they end"));
        }
        Err(error) => surroundings
            .warn(format!("captured connections of virtual networks end, and cannot be counted: {error}")),
    }
}
