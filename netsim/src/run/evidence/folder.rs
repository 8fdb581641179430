//! Evidence as files in a folder.

use std::fs;
use std::io;
use std::path::Path;

use super::again::Second;
use super::{Evidence, difference, text};
use crate::scenario::Variant;
use crate::topology::Topology;
use crate::wire::no_frames;

const REPORT: &str = "report.txt";

/// The folder of a variant, below that of all: no colons, which other systems do not take.
pub(super) fn name(variant: &Variant) -> String {
    variant.to_string().replace("::", ".")
}

/// Removes what an earlier run has left of the same variant; nothing that is not evidence.
pub(super) fn forget(folder: &Path) -> io::Result<()> {
    if folder.join(REPORT).is_file() { fs::remove_dir_all(folder) } else { Ok(()) }
}

/// Writes everything, in place of what an earlier run has left.
pub(super) fn write(folder: &Path, evidence: &Evidence<'_>, topology: &Topology) -> io::Result<()> {
    forget(folder)?;
    fs::create_dir_all(folder)?;
    // A link that carried nothing has a capture, too.
    for end in topology.links().iter().flat_map(|link| &link.ends) {
        fs::write(folder.join(format!("{}-{}.pcap", end.node, end.interface)), no_frames())?;
    }
    for (node, captured) in &evidence.captured {
        for (interface, file) in &captured.files {
            fs::write(folder.join(format!("{node}-{interface}.pcap")), file)?;
        }
    }
    let seen = evidence.seen.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    fs::write(folder.join("actors.jsonl"), seen.into_iter().map(|line| line + "\n").collect::<String>())?;
    if !evidence.rules.is_empty() {
        fs::write(folder.join("rules.txt"), evidence.rules)?;
    }
    for (number, again) in evidence.again.iter().enumerate() {
        if let Ok(second) = &again.second {
            write_flow(&folder.join(format!("flow-{}", number + 1)), second)?;
        }
    }
    // Last: with it the folder is whole.
    fs::write(folder.join(REPORT), text::report(evidence, &system()))
}

fn write_flow(folder: &Path, second: &Second) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let [before, after] = &second.rules;
    fs::write(folder.join("rules-before.txt"), before)?;
    fs::write(folder.join("rules-after.txt"), after)?;
    let counted = difference::counted(before, after);
    let counted = if counted.is_empty() { "no rule counted anything\n".to_owned() } else { counted };
    fs::write(folder.join("counted.txt"), counted)?;
    match &second.trace {
        Some(Ok(trace)) => fs::write(folder.join("trace.txt"), trace),
        Some(Err(_)) | None => Ok(()),
    }
}

/// The kernel that it was run on.
fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "an unknown kernel".to_owned(), |release| format!("Linux {}", release.trim()))
}
