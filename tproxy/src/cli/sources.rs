//! Brings files, environment and flags together into a configuration. The only place that reads configuration files.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::removed;
use super::variables::Variables;
use super::{Manner, Surroundings};
use crate::config::problem::{Origin, Problem};
use crate::config::{LARGEST_FILE, Layers, Resolved, settings};
use crate::diagnostic::{in_words, shortened};

/// The configuration that files, variables and flags mean, with a word about what is deprecated or does not count.
pub(super) fn configuration(
    flags: &ConfigurationFlags,
    surroundings: &mut Surroundings<'_>,
) -> Result<Resolved, CliError> {
    let mut resolved = placed(layers(flags, surroundings), surroundings)?;
    resolved.forget_items();
    Ok(resolved)
}

/// The configuration that layers mean together, with the place of every item of a list, which costs as much as the lists
/// themselves.
pub(super) fn placed(layers: Layers, surroundings: &mut Surroundings<'_>) -> Result<Resolved, CliError> {
    let resolved = layers.resolve()?;
    for warning in &resolved.warnings {
        surroundings.warn(warning);
    }
    Ok(resolved)
}

/// All that files, variables and flags say.
pub(super) fn layers(flags: &ConfigurationFlags, surroundings: &Surroundings<'_>) -> Layers {
    let none = Variables::default();
    let variables = if flags.without_variables { &none } else { &surroundings.variables };
    let mut layers = files(flags, surroundings.manner, Layers::default()).environment(variables.texts());
    for name in variables.unreadable() {
        let message = "is not UTF-8 text; set it to what it should be, or unset it";
        layers = layers.problem(Problem::new(Origin::Variable(name.to_owned()), "", message));
    }
    let used: BTreeSet<&str> = flags.flags.iter().map(|(name, _)| *name).collect();
    for setting in settings::all() {
        if let Some(name) = setting.deprecated_flag.filter(|name| used.contains(name)) {
            let successor = setting.flag.unwrap_or_default();
            layers = layers.warning(format!("--{name} is deprecated; use --{successor}"));
        }
    }
    for (name, value) in &flags.flags {
        layers = layers.flag(name, value.as_str());
    }
    for name in &flags.removed {
        let message = format!("was removed; {}", removed::advice(name));
        layers = layers.problem(Problem::new(Origin::Flag((*name).to_owned()), "", message));
    }
    if surroundings.manner == Manner::Kumactl { layers.tolerating_unknown_keys() } else { layers }
}

fn files(flags: &ConfigurationFlags, manner: Manner, mut layers: Layers) -> Layers {
    let mut files: Vec<(&str, String)> = Vec::new();
    let flag = flags.files_flag.unwrap_or("config");
    if !flags.deprecated_files.is_empty() {
        // kumactl's own flag of this name, which says nothing about this command.
        if manner == Manner::Kumactl {
            layers = layers.warning("--config-file is kumactl's own and does not count here; use --config");
        } else {
            layers = layers.warning("--config-file is deprecated; use --config");
            files.extend(flags.deprecated_files.iter().map(|name| ("config-file", name.clone())));
        }
    }
    files.extend(flags.files.iter().flat_map(|value| names(value)).map(|name| (flag, name)));
    for (flag, name) in files {
        layers = match read(&name) {
            Ok(content) => layers.file(if name == "-" { "standard input" } else { &name }, content),
            Err(error) => {
                let (name, why) = (shortened(&name), in_words(&error.to_string()));
                let message =
                    format!("`{name}` cannot be read: {why}; give a YAML or JSON file that may be read");
                layers.problem(Problem::new(Origin::Flag(flag.to_owned()), "", message))
            }
        };
    }
    layers
}

/// The files of one `--config`: separated by commas, unless there is a file with a comma in its name.
fn names(value: &str) -> Vec<String> {
    if value.contains(',') && Path::new(value).exists() {
        return vec![value.to_owned()];
    }
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// How long a pipe that is named as a file may be silent.
const SILENCE: Duration = Duration::from_secs(5);

fn read(name: &str) -> io::Result<Vec<u8>> {
    // One byte more than may be read tells a file that is too large.
    let limit = LARGEST_FILE as u64 + 1;
    if name != "-" {
        return read_file(name, limit);
    }
    let mut bytes = Vec::new();
    io::stdin().take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file from its beginning, at most `limit` bytes. It may be a pipe, as a shell's `<(…)` is, whose writer is not waited
/// for without end.
fn read_file(name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let options = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(options).open(name)?.take(limit);
    let (mut bytes, mut part) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let timeout = PollTimeout::try_from(SILENCE).unwrap_or(PollTimeout::MAX);
        if poll(&mut [PollFd::new(file.get_ref().as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
            let silence = format!("nothing came out of it for {} s", SILENCE.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, silence));
        }
        match file.read(&mut part) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}
