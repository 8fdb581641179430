//! Brings files, environment and flags together into a configuration. The only place that reads configuration files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::arguments::ConfigurationFlags;
use super::error::CliError;
use super::removed;
use super::{Manner, Surroundings};
use crate::config::problem::{Origin, Problem};
use crate::config::{LARGEST_FILE, Layers, Resolved, settings};
use crate::diagnostic::shortened;

/// The configuration that files, variables and flags mean, with a word about what is deprecated or does not count.
pub(super) fn configuration(
    flags: &ConfigurationFlags,
    surroundings: &mut Surroundings<'_>,
) -> Result<Resolved, CliError> {
    let resolved = layers(flags, surroundings).resolve()?;
    for warning in &resolved.warnings {
        surroundings.warn(warning);
    }
    Ok(resolved)
}

/// All that files, variables and flags say.
pub(super) fn layers(flags: &ConfigurationFlags, surroundings: &Surroundings<'_>) -> Layers {
    let variables = &surroundings.variables;
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
    if !flags.deprecated_files.is_empty() {
        // kumactl's own flag of this name, which says nothing about this command.
        if manner == Manner::Kumactl {
            layers = layers.warning("--config-file is kumactl's own and does not count here; use --config");
        } else {
            layers = layers.warning("--config-file is deprecated; use --config");
            files.extend(flags.deprecated_files.iter().map(|name| ("config-file", name.clone())));
        }
    }
    files.extend(flags.files.iter().flat_map(|value| names(value)).map(|name| ("config", name)));
    for (flag, name) in files {
        layers = match read(&name) {
            Ok(text) => layers.file(if name == "-" { "standard input" } else { &name }, text),
            Err(why) => {
                let name = shortened(&name);
                let message = format!("`{name}` cannot be read: {why}; check that it exists and may be read");
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

fn read(name: &str) -> Result<String, String> {
    let limit = LARGEST_FILE as u64 + 1;
    let mut bytes = Vec::new();
    let done = match name {
        "-" => std::io::stdin().take(limit).read_to_end(&mut bytes),
        name => File::open(name).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    done.map_err(|error| error.to_string())?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // A limit in the middle of a character is no fault of the file.
        Err(error) if error.as_bytes().len() as u64 == limit => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(_) => Err("it is not UTF-8 text".to_owned()),
    }
}
