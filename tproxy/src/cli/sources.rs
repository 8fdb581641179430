//! Brings files, environment and flags together into a configuration. The only place that reads configuration files.

use std::io::Read;

use super::Surroundings;
use super::arguments::ConfigurationFlags;
use super::error::CliError;
use crate::config::{Config, Layers};

/// The configuration that files, variables and flags mean.
pub(super) fn configuration(
    flags: &ConfigurationFlags,
    surroundings: &Surroundings<'_>,
) -> Result<Config, CliError> {
    let mut layers = Layers::default();
    for name in &flags.files {
        let text = read(name).map_err(|error| CliError::ConfigurationFile { path: name.clone(), error })?;
        layers = layers.file(if name == "-" { "standard input" } else { name }, text);
    }
    layers = layers.environment(&surroundings.variables);
    for (name, value) in &flags.flags {
        layers = layers.flag(name, value.as_str());
    }
    Ok(layers.resolve()?.config)
}

fn read(name: &str) -> std::io::Result<String> {
    if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(name)
}
