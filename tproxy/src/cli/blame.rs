//! A value that turns out wrong only on the host is told at the place where it was written, as every other wrong value.
//!
//! Must never change what is said of a value that nobody wrote.

use std::path::Path;

use super::error::CliError;
use crate::config::problem::{Origin, Problem, Problems};
use crate::config::value::Value;
use crate::config::{Resolved, settings};
use crate::diagnostic::in_words;
use crate::ebpf::kernel::EbpfError;
use crate::host::HostError;
use crate::host::iptables::ToolError;
use crate::plan::PlanError;

/// `error` at the place of the value that it is about, where somebody wrote that value.
pub(super) fn blame(error: CliError, resolved: &Resolved) -> CliError {
    let Some((key, message)) = about(&error, resolved) else { return error };
    match resolved.origin(key) {
        Origin::Default => error,
        origin => Problems::from(Problem::new(origin, key, in_words(&message))).into(),
    }
}

/// The setting that an error is about, and what is wrong with its value.
fn about(error: &CliError, resolved: &Resolved) -> Option<(&'static str, String)> {
    match error {
        CliError::Plan(error @ PlanError::UnknownUser(_)) => Some(("kumaDPUser", error.to_string())),
        CliError::Host(error @ HostError::ResolvConf { .. }) => {
            Some(("redirect.dns.resolvConfigPath", error.to_string()))
        }
        CliError::Unsupported(error) => Some((error.key(), error.reason().to_owned())),
        CliError::DirectRead(error) => Some(("storeFirewalld", error.to_string())),
        CliError::Direct(error) => Some(("storeFirewalld", error.to_string())),
        CliError::Tools(error) => Some((of_tool(error, resolved)?, error.to_string())),
        CliError::NotByEbpf(error) => Some((error.key(), error.reason().to_owned())),
        CliError::Ebpf(error) => Some((of_ebpf(error)?, error.to_string())),
        _ => None,
    }
}

fn of_ebpf(error: &EbpfError) -> Option<&'static str> {
    match error {
        EbpfError::WithoutPrograms | EbpfError::NoCookie(_) => Some("backend"),
        EbpfError::NotCgroup { .. } | EbpfError::NoCgroup { .. } => Some("ebpf.cgroupPath"),
        EbpfError::Object { .. } => Some("ebpf.programsSourcePath"),
        EbpfError::InterfacesUntold { key } => Some(key),
        _ => None,
    }
}

fn of_tool(error: &ToolError, resolved: &Resolved) -> Option<&'static str> {
    match error {
        ToolError::NotFound(_) => Some("backend"),
        ToolError::NotExecutable(program)
        | ToolError::NotIptables { program, .. }
        | ToolError::MixedFlavours { program, .. } => program_key(program, resolved),
        _ => None,
    }
}

/// The setting that names a program.
fn program_key(program: &Path, resolved: &Resolved) -> Option<&'static str> {
    let names = |setting: &settings::Setting| {
        setting.key.starts_with("iptablesExecutables.")
            && setting.value(&resolved.config) == Value::Text(program.display().to_string())
    };
    settings::all().find(|setting| names(setting)).map(|setting| setting.key)
}
