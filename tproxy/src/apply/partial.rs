//! How far a restore came that failed: iptables-restore commits table by table.
//!
//! The rules tell, not the program: one that was killed says nothing, and one that failed may have done its work. Must
//! never change the system.

use super::change::Change;
use crate::host::iptables::{self, ToolError};
use crate::iptables::render::InstalledRules;
use crate::iptables::state::TableState;
use crate::iptables::{Tool, tables_of};

/// Which way a run goes, and from where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// The rules of before it.
    pub before: &'a [InstalledRules],
    /// Whether it goes back there.
    pub back: bool,
}

/// What failed, taken apart.
#[derive(Debug)]
pub(super) struct Partial {
    /// The text of the tables that are still to be loaded.
    pub left: String,
    /// The change that the others are; `None` where there are none.
    pub done: Option<Change>,
}

/// Looks how far a restore of `forward`, which `backward` takes back, came.
///
/// # Errors
/// The rules cannot be seen.
pub(super) fn look(
    tool: &Tool,
    (forward, backward): (&str, &str),
    way: Way<'_>,
) -> Result<Partial, ToolError> {
    let now = TableState::of_all(iptables::read_all(tool)?);
    let known = way.before.iter().find(|rules| rules.tool == *tool);
    let known = known.map(|rules| rules.tables.as_slice()).unwrap_or_default();
    let is_as_before = |name: &str| state_of(&now, name).has_rules_of(&state_of(known, name));
    let part = |text, done| -> String {
        let tables = tables_of(text).filter(|(name, _)| (is_as_before(name) == way.back) == done);
        tables.map(|(_, text)| text).collect()
    };
    let done =
        Change::Restore { tool: tool.clone(), forward: part(forward, true), backward: part(backward, true) };
    let done = Some(done).filter(|_| tables_of(forward).any(|(name, _)| is_as_before(name) == way.back));
    Ok(Partial { left: part(forward, false), done })
}

fn state_of(tables: &[TableState], name: &str) -> TableState {
    tables.iter().find(|state| state.table == name).cloned().unwrap_or_else(|| TableState::empty(name))
}
