//! What was or would be changed, as the verbs that change something print it.
//!
//! Must never change anything, nor print what is in the journal as it is: its form is for tproxy alone.

use serde::Serialize;

use super::Surroundings;
use super::error::CliError;
use crate::apply::change::{Change, LoopbackAddress, StoredFile};
use crate::iptables::{Tool, rule};

/// With `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    changes: Vec<Shown<'a>>,
    /// Captured connections that are open, where they end; `null` where that cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_connections: Option<Option<usize>>,
}

/// One change.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum Shown<'a> {
    Restore { tool: &'a Tool, forward: &'a str, backward: &'a str },
    AddAddress(&'a LoopbackAddress),
    RemoveAddress(&'a LoopbackAddress),
    Store(&'a StoredFile),
}

impl<'a> From<&'a Change> for Shown<'a> {
    fn from(change: &'a Change) -> Self {
        match change {
            Change::Restore { tool, forward, backward } => Self::Restore { tool, forward, backward },
            Change::AddAddress(address) => Self::AddAddress(address),
            Change::RemoveAddress(address) => Self::RemoveAddress(address),
            Change::Store(file) => Self::Store(file),
        }
    }
}

/// The changes as JSON; `open_connections` where they are looked for.
pub(super) fn print_json(
    changes: &[Change],
    open_connections: Option<Option<usize>>,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    surroundings.print_json(&Report { changes: changes.iter().map(Shown::from).collect(), open_connections })
}

/// The changes by family, in Kuma's shape: a heading and what would be loaded.
pub(super) fn print(
    changes: &[Change],
    verbose: bool,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
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
