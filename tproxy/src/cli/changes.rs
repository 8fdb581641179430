//! What was or would be changed, as the verbs that change something print it.
//!
//! Must never change anything, nor print what is in the journal as it is: its form is for tproxy alone.

use std::fmt::Display;
use std::io::{BufWriter, Write};

use serde::Serialize;

use super::Surroundings;
use super::error::CliError;
use crate::apply::change::{Change, LoopbackAddress, StoredFile};
use crate::ebpf::render::Capture;
use crate::iptables::{Tool, rule};

/// With `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// `null` where what is installed cannot be seen.
    changes: Option<Vec<Shown<'a>>>,
    #[serde(flatten)]
    removal: Option<Removal>,
}

/// What goes with an installation.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removal {
    /// Captured connections that are open; `null` where that cannot be seen.
    pub(super) open_connections: Option<usize>,
    /// Rules of other programs that lead to chains of ours, and go with them; `null` where they cannot be seen.
    pub(super) foreign_jumps: Option<Vec<String>>,
}

/// One change.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum Shown<'a> {
    Restore { tool: &'a Tool, forward: &'a str, backward: &'a str },
    AddAddress(&'a LoopbackAddress),
    RemoveAddress(&'a LoopbackAddress),
    Store(&'a StoredFile),
    Capture(&'a Capture),
}

impl<'a> From<&'a Change> for Shown<'a> {
    fn from(change: &'a Change) -> Self {
        match change {
            Change::Restore { tool, forward, backward } => Self::Restore { tool, forward, backward },
            Change::AddAddress(address) => Self::AddAddress(address),
            Change::RemoveAddress(address) => Self::RemoveAddress(address),
            Change::Store(file) => Self::Store(file),
            Change::Capture(capture) => Self::Capture(capture),
        }
    }
}

/// The changes as JSON, and what goes where an installation is removed.
pub(super) fn print_json(
    changes: &[Change],
    removal: Option<Removal>,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), CliError> {
    surroundings.print_json(&Report { changes: Some(changes.iter().map(Shown::from).collect()), removal })
}

/// The same where nothing of it can be seen.
pub(super) fn print_unseen_json(surroundings: &mut Surroundings<'_>) -> Result<(), CliError> {
    surroundings.print_json(&Report { changes: None, removal: Some(Removal::default()) })
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
    let text = |text| -> Box<dyn Display> {
        if verbose { Box::new(rule::lengthened(text)) } else { Box::new(text.trim_end()) }
    };
    let restored = changes.iter().filter_map(|change| match change {
        Change::Restore { tool, forward, .. } => Some((tool.family.title().to_owned(), text(forward))),
        _ => None,
    });
    let stored = changes.iter().filter_map(|change| match change {
        Change::Store(StoredFile { path, after: Some(text), .. }) => {
            Some((path.display().to_string(), Box::new(text.trim_end()) as Box<dyn Display>))
        }
        _ => None,
    });
    // Block by block: a copy of all would be as large as all rules.
    let mut out = BufWriter::new(&mut *surroundings.out);
    let mut gap = "";
    for (heading, text) in restored.chain(stored) {
        write!(out, "{gap}### {heading} ###\n\n{text}\n")?;
        gap = "\n";
    }
    for change in changes {
        if let Change::Capture(Capture { after: Some(contents), .. }) = change {
            write!(out, "{}### {change} ###\n\n{contents}\n", std::mem::replace(&mut gap, "\n"))?;
        }
    }
    for address in changes.iter().filter(|change| !is_text(change)) {
        writeln!(out, "{}# {address}", std::mem::take(&mut gap))?;
    }
    Ok(out.flush()?)
}

/// Whether a change is shown as the text that it loads or writes.
fn is_text(change: &Change) -> bool {
    matches!(
        change,
        Change::Restore { .. }
            | Change::Store(StoredFile { after: Some(_), .. })
            | Change::Capture(Capture { after: Some(_), .. })
    )
}
