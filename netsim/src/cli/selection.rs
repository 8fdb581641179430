//! Which scenario files a verb is about, and where the tproxy binary is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::scenario::{self, Scenario, ScenarioError, Variant};

/// Files, folders and filters.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Scenario files, or folders with them
    #[arg(value_name = "FILE|DIR", required = true)]
    paths: Vec<PathBuf>,
    /// Only variants whose name contains this text, as in `outbound/` or `::ipv6`; repeat for more
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Leave out what the files call heavy
    #[arg(long)]
    quick: bool,
}

impl Selection {
    /// The scenarios of all files; every file that is wrong is reported.
    pub(super) fn scenarios(&self) -> Result<Vec<Arc<Scenario>>, Vec<ScenarioError>> {
        let (mut found, mut errors, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for path in &self.paths {
            match scenario::files(path) {
                Err(error) => errors.push(error),
                Ok(files) => {
                    // One that is named twice is run once.
                    for (id, file) in
                        files.into_iter().filter(|(_, file)| seen.insert(file.canonicalize().ok()))
                    {
                        match scenario::load(&id, &file) {
                            Ok(scenario) => found.push(Arc::new(scenario)),
                            Err(error) => errors.push(error),
                        }
                    }
                }
            }
        }
        if errors.is_empty() { Ok(found) } else { Err(errors) }
    }

    /// The variants that are asked for.
    pub(super) fn variants(&self) -> Result<Vec<Variant>, String> {
        let scenarios = self.scenarios().map_err(|errors| describe(&errors))?;
        let is_left = |variant: &Variant| !(self.quick && variant.scenario.document.heavy);
        let all: Vec<_> = scenarios.iter().flat_map(scenario::variants).filter(is_left).collect();
        if all.is_empty() {
            return Err("all scenarios there are heavy, and --quick leaves them out".to_owned());
        }
        unique(&all)?;
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        let chosen = self.only.iter().map(|text| chosen(&names, text)).collect::<Result<Vec<_>, _>>()?;
        let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().flatten().any(|one| *one == name);
        Ok(all
            .into_iter()
            .zip(&names)
            .filter(|(_, name)| is_chosen(name))
            .map(|(variant, _)| variant)
            .collect())
    }
}

/// The names that a text chooses: the whole of one, else those that contain it.
fn chosen<'a>(names: &'a [String], text: &str) -> Result<Vec<&'a str>, String> {
    let those = |fits: &dyn Fn(&str) -> bool| -> Vec<&'a str> {
        names.iter().map(String::as_str).filter(|name| fits(name)).collect()
    };
    let exact = those(&|name| name == text);
    let found = if exact.is_empty() { those(&|name| name.contains(text)) } else { exact };
    if found.is_empty() { Err(format!("--only: no variant's name contains `{text}`")) } else { Ok(found) }
}

/// Reports and evidence tell variants by their names.
fn unique(variants: &[Variant]) -> Result<(), String> {
    let mut files: BTreeMap<&str, &str> = BTreeMap::new();
    for variant in variants {
        let (id, file) = (variant.scenario.id.as_str(), variant.scenario.source.name.as_str());
        let other = files.insert(id, file).filter(|other| *other != file);
        if let Some(other) = other {
            return Err(format!(
                "{other} and {file} would both be called `{id}`: run them one after the other, or a folder \
                 that holds both"
            ));
        }
    }
    Ok(())
}

/// All errors, one below the other.
pub(super) fn describe(errors: &[ScenarioError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

/// The tproxy binary: the one given, else the one beside this program.
pub(super) fn tproxy(given: Option<&Path>) -> Result<PathBuf, String> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => {
            let me = std::env::current_exe().map_err(|error| format!("cannot find tproxy: {error}"))?;
            me.with_file_name("tproxy")
        }
    };
    match std::fs::canonicalize(&path) {
        Ok(path) => Ok(path),
        Err(error) => Err(format!(
            "cannot find tproxy at {}: {error}; build it, or name it with --tproxy",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_chooses_itself_and_a_part_all_that_contain_it() {
        let names = ["i::nft", "ai::nft", "b::nft"].map(str::to_owned);
        assert_eq!(chosen(&names, "i::nft").unwrap(), ["i::nft"]);
        assert_eq!(chosen(&names, "i::").unwrap(), ["i::nft", "ai::nft"]);
        assert_eq!(chosen(&names, "c::").unwrap_err(), "--only: no variant's name contains `c::`");
    }
}
