//! Programs by name and by what they say of themselves.
//!
//! Must never start a program whose flavour its place tells.

use std::path::{Path, PathBuf};

use super::ToolError;
use crate::family::IpFamily;
use crate::iptables::{Flavour, Tool};
use crate::process::{self, Output, ProcessError};

/// Where programs are looked for besides PATH (Kuma behaviour).
pub(super) const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// The programs of `flavour` for `family` on this host: of each the first that is of that flavour, those whose names
/// say so before those whose names say nothing (Kuma behaviour).
#[must_use]
pub fn found(flavour: Flavour, family: IpFamily) -> Option<Tool> {
    let base = base(family);
    let first = |what: &str| {
        let names = [format!("{base}-{flavour}{what}"), format!("{base}{what}")];
        let programs = names.iter().flat_map(|name| everywhere(name));
        programs.into_iter().find(|program| is_of(flavour, program))
    };
    Some(Tool { flavour, family, save: first("-save")?, restore: first("-restore")? })
}

pub(super) fn base(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "iptables",
        IpFamily::V6 => "ip6tables",
    }
}

/// A program by name, from PATH or where administrators' programs are.
pub(in crate::host) fn look_up(name: &str) -> Option<PathBuf> {
    everywhere(name).next()
}

/// All programs of a name, from PATH and then from where administrators' programs are.
fn everywhere(name: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> =
        std::env::split_paths(&path).chain(DIRECTORIES.iter().map(PathBuf::from)).collect();
    let name = name.to_owned();
    // A program that depends on where the command was typed is not one to trust.
    let directories = directories.into_iter().filter(|directory| directory.is_absolute());
    directories.map(move |directory| directory.join(&name)).filter(|program| is_executable(program))
}

/// Whether a file is there and may be run.
#[must_use]
pub fn is_executable(program: &Path) -> bool {
    program.is_file() && nix::unistd::access(program, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// Whether `program` is of `flavour`. Since 1.8 all programs of a flavour are links to one, whose name tells.
fn is_of(flavour: Flavour, program: &Path) -> bool {
    let target = program.canonicalize().ok();
    match target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("xtables-nft-multi") => flavour == Flavour::Nft,
        Some("xtables-legacy-multi") => flavour == Flavour::Legacy,
        _ => flavour_of(program).is_ok_and(|found| found == flavour),
    }
}

/// `iptables-save v1.8.9 (nf_tables)`; releases before 1.8 name no flavour, or do not know the question, and are legacy.
pub(super) fn flavour_of(program: &Path) -> Result<Flavour, ToolError> {
    let said = match process::run(program, &["--version"], "", process::READING) {
        Ok(Output { stdout, stderr }) => {
            if stdout.is_empty() {
                stderr
            } else {
                stdout
            }
        }
        Err(ProcessError::Failed { stderr, .. }) if does_not_know(&stderr) => stderr,
        Err(error) => return Err(error.into()),
    };
    let line = said.lines().next().unwrap_or_default();
    told_by(line).ok_or_else(|| ToolError::NotIptables { program: program.to_owned(), said: line.to_owned() })
}

fn told_by(line: &str) -> Option<Flavour> {
    let is_iptables = line.starts_with("iptables") || line.starts_with("ip6tables");
    match line.rsplit_once('(') {
        _ if does_not_know(line) => Some(Flavour::Legacy),
        Some((_, "nf_tables)")) if is_iptables => Some(Flavour::Nft),
        Some((_, "legacy)")) if is_iptables => Some(Flavour::Legacy),
        None if is_iptables => Some(Flavour::Legacy),
        _ => None,
    }
}

/// How getopt of the C library and iptables itself refuse `--version`, behind the program's name.
fn does_not_know(said: &str) -> bool {
    let of_iptables = said.split(':').next().is_some_and(|program| program.contains("tables"));
    let refuses = ["unrecognized option", "unknown option"].iter().any(|words| said.contains(words));
    of_iptables && refuses && said.contains("--version")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("iptables-save v1.8.9 (nf_tables)", Some(Flavour::Nft))]
    #[case("ip6tables-restore v1.8.9 (legacy)", Some(Flavour::Legacy))]
    #[case("iptables v1.6.1", Some(Flavour::Legacy))]
    #[case("/sbin/iptables-restore: unrecognized option '--version'", Some(Flavour::Legacy))]
    #[case("iptables-save v1.4.21: unknown option \"--version\"", Some(Flavour::Legacy))]
    #[case("iptables v2.0 (bpf)", None)]
    #[case("/bin/ls: unrecognized option '--version'", None)]
    #[case("nft v1.0.6 (Lester Gooch #5)", None)]
    #[case("", None)]
    fn a_version_line_tells_the_flavour(#[case] line: &str, #[case] flavour: Option<Flavour>) {
        assert_eq!(told_by(line), flavour);
    }
}
