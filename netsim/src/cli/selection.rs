//! Which scenario files a verb is about, and where the tproxy binary is.

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
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for path in &self.paths {
            match scenario::files(path) {
                Err(error) => errors.push(error),
                Ok(files) => {
                    for (id, file) in files {
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
        let chosen = |variant: &Variant| {
            let name = variant.to_string();
            let is_left_out = self.quick && variant.scenario.document.heavy;
            !is_left_out && (self.only.is_empty() || self.only.iter().any(|text| name.contains(text)))
        };
        let variants: Vec<_> = scenarios.iter().flat_map(scenario::variants).filter(chosen).collect();
        if variants.is_empty() {
            return Err(match self.only.as_slice() {
                [] => "all scenarios there are heavy, and --quick leaves them out".to_owned(),
                only => format!("no variant's name contains {}", only.join(" or ")),
            });
        }
        Ok(variants)
    }
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
