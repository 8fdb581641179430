//! Collects what the host doctor judges.
//!
//! Must never leave a trace in the caller's network, and never say what the evidence means.

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::{HostError, mounts, others, privileges, probe, resolvers};
use crate::check::{Case, Chosen, Evidence, Lack, Program};
use crate::config::BackendChoice;
use crate::ebpf::kernel::try_to_load;
use crate::iptables::{Flavour, Tool};
use crate::process;

/// The evidence for `case`. `chosen` says of which flavour its programs are, or why it has none, `name_servers` which
/// servers its file names.
///
/// # Errors
/// /proc or the user database cannot be read.
pub fn collect(
    case: &Case,
    chosen: Result<Option<Chosen>, Lack>,
    name_servers: Result<Vec<IpAddr>, String>,
) -> Result<Evidence, HostError> {
    let privileges = privileges::own()?;
    let may_look = privileges.may_look();
    Ok(Evidence {
        kernel: kernel()?,
        privileges,
        programs: chosen.as_ref().map(|_| case.tools.iter().map(program).collect()).map_err(Clone::clone),
        chosen: chosen.ok().flatten(),
        without_lock: if may_look { without_lock(&case.tools) } else { None },
        trials: probe::all(case.attempts(), &case.tools),
        others: may_look.then(|| others::seen(&case.tools)),
        name_servers,
        dns_listeners: resolvers::list()?,
        // This switch exists in the machine's first network namespace only, where the kernel always logs.
        logs: Path::new("/proc/sys/net/netfilter/nf_log_all_netns").exists(),
        has_firewalld: super::firewalld::is_configured(),
        programs_of_ebpf: (privileges.uid == 0 && case.config.backend == BackendChoice::Ebpf)
            .then(|| try_to_load(!case.config.vnets.is_empty()).map_err(|error| error.to_string())),
        mounts: mounts::list()?,
    })
}

fn kernel() -> Result<String, HostError> {
    let path = "/proc/sys/kernel/osrelease";
    let text =
        std::fs::read_to_string(path).map_err(|error| HostError::Read { path: path.to_owned(), error })?;
    Ok(text.trim().to_owned())
}

fn program(tool: &Tool) -> Program {
    let version =
        process::run(&tool.restore, &["--version"], "", process::READING).map_err(|error| error.to_string());
    let version = version.map(|output| output.stdout.lines().next().unwrap_or_default().to_owned());
    Program { tool: tool.clone(), version }
}

/// Whether iptables over `x_tables` can open its lock, or make it. Where it cannot, it does nothing at all.
fn without_lock(tools: &[Tool]) -> Option<String> {
    tools.iter().find(|tool| tool.flavour == Flavour::Legacy)?;
    let named = std::env::var_os("XTABLES_LOCKFILE").map(PathBuf::from);
    let lock = named.unwrap_or_else(|| PathBuf::from("/run/xtables.lock"));
    let reason = if lock.exists() {
        File::open(&lock).err()?.to_string()
    } else {
        access(lock.parent()?, AccessFlags::W_OK).err()?.desc().to_owned()
    };
    Some(format!("{}: {reason}", lock.display()))
}
