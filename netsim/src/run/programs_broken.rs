//! Breaking tproxy's eBPF programs and maps in one place.
//!
//! Must never touch anything but the pod's own entries, and the pins in the pod's own file system.

use tproxy::ebpf::contents::Contents;
use tproxy::ebpf::kernel::{self, EbpfError};
use tproxy::ebpf::render::{Capture, Found, Place};
use tproxy::ebpf::with_guests;
use tproxy::family::IpFamily;

use super::RunError;
use super::maps_broken::in_maps;
use super::mutant::{Change, Mutant};
use super::stage::Stage;
use crate::node::Program;

/// Where the pins of programs are, in the pod.
const PINS: &str = "/sys/fs/bpf/tproxy-*";

/// The programs at interfaces of virtual networks, and what tc calls the packets that each sees.
const AT_INTERFACES: [(&str, &str); 2] = [("vnet_in", "ingress"), ("vnet_out", "egress")];
/// Where they stand among other filters (tproxy's `ebpf/kernel/filter.rs`).
const PRIORITY: u16 = 0x7470;

/// What breaks an installation in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Break {
    /// The maps hold this instead.
    Maps(Box<Contents>),
    /// The program of this hook is detached.
    Detach(String),
}

/// What could be broken in the pod, each with what breaks it.
pub(super) fn mutants(stage: &Stage) -> Result<Vec<(Mutant, Break)>, RunError> {
    let Some(found) = look(stage)? else { return Ok(Vec::new()) };
    let listed = format!("cd {PINS} && ls links-*; ls -d netns-*");
    let pins = Program::new("sh").args(["-c", &listed]).run(stage.pod()?)?.checked()?.stdout_text();
    // Those of the other family are another variant's.
    let other = if stage.family == IpFamily::V4 { '6' } else { '4' };
    let hooks = pins.lines().filter(|pin| !pin.ends_with(other) && !pin.contains('-'));
    let mut all: Vec<_> = hooks.chain(["sk_lookup"]).map(detached).collect();
    if !with_guests(&found.contents).is_empty() {
        all.extend(AT_INTERFACES.map(|(hook, _)| detached(hook)));
    }
    all.extend(
        in_maps(&found.contents, stage.family)
            .into_iter()
            .map(|(mutant, contents)| (mutant, Break::Maps(Box::new(contents)))),
    );
    Ok(all)
}

fn detached(hook: &str) -> (Mutant, Break) {
    let rule = hook.to_owned();
    let mutant = Mutant { rule: rule.clone(), ..Mutant::of_all(Change::Detached) };
    (mutant, Break::Detach(rule))
}

/// Breaks what is installed in the pod.
pub(super) fn carry_out(stage: &Stage, how: Break) -> Result<(), RunError> {
    match how {
        Break::Detach(hook) => {
            if let Some((_, way)) = AT_INTERFACES.iter().find(|(name, _)| *name == hook) {
                let script = format!(
                    "for i in $(ls /sys/class/net); do tc filter del dev $i {way} pref {PRIORITY}; done; true"
                );
                Program::new("sh").args(["-c", &script]).run(stage.pod()?)?.checked()?;
                return Ok(());
            }
            // A link lives as long as its pin.
            let pin = if hook == "sk_lookup" { "netns-*".to_owned() } else { format!("links-*/{hook}") };
            let script = format!("rm {PINS}/{pin}");
            Program::new("sh").args(["-c", &script]).run(stage.pod()?)?.checked()?;
        }
        Break::Maps(contents) => {
            let Some(There { place, netns, contents: before }) = look(stage)? else { return Ok(()) };
            let capture = Capture { place, netns, before: Some(before), after: Some(*contents) };
            let broken = stage.pod()?.run(move || async move { kernel::carry_out(&capture) })?;
            broken.map_err(refused)?;
        }
    }
    Ok(())
}

struct There {
    place: Place,
    netns: u64,
    contents: Contents,
}

fn look(stage: &Stage) -> Result<Option<There>, RunError> {
    let installed = stage.pod()?.run(|| async { kernel::look("lo", None) })?.map_err(refused)?;
    let netns = installed.netns;
    let first = installed.found.into_iter().next();
    Ok(first.map(|Found { place, contents, .. }| There { place, netns, contents }))
}

fn refused(error: EbpfError) -> RunError {
    RunError::Maps(error.to_string())
}
