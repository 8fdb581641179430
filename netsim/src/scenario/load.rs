//! Finds scenario files and reads them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tproxy::diagnostic::{Colours, Source};

use super::check;
use super::schema::Document;
use super::source::Sources;

/// A file that was read and found right.
#[derive(Debug)]
pub struct Scenario {
    /// Short name: the file's path below the folder that was asked for, without its ending.
    pub id: String,
    /// The text and its name.
    pub source: Arc<Source>,
    /// What it says.
    pub document: Document,
}

/// What is wrong with a scenario file, or with finding it.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is not there, or cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// There is no scenario file in a folder.
    #[error("{0}: no scenario file (*.yaml) in this folder")]
    Empty(PathBuf),
    /// It says something wrong; every problem with its place.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// The scenario files in `path`, a file or a folder, with their ids, sorted by name.
///
/// # Errors
/// It cannot be read, or is a folder without scenario files.
pub fn files(path: &Path) -> Result<Vec<(String, PathBuf)>, ScenarioError> {
    let failed = |error| ScenarioError::Read { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(failed)?.is_file() {
        return Ok(vec![(id(path.parent().unwrap_or(Path::new("")), path), path.to_owned())]);
    }
    let mut found = Vec::new();
    collect(path, &mut BTreeSet::new(), &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(ScenarioError::Empty(path.to_owned()));
    }
    Ok(found.into_iter().map(|file| (id(path, &file), file)).collect())
}

/// Each folder once, by whatever links it is reached.
fn collect(
    folder: &Path,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<PathBuf>,
) -> Result<(), ScenarioError> {
    let failed = |error| ScenarioError::Read { path: folder.to_owned(), error };
    if !seen.insert(folder.canonicalize().map_err(failed)?) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, seen, found)?;
        } else if is_scenario(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// Parts, which scenarios include, are none themselves.
fn is_scenario(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let is_part =
        path.file_stem().and_then(|stem| Path::new(stem).extension()).is_some_and(|ending| ending == "part");
    is_yaml && !is_part
}

fn id(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).with_extension("").display().to_string()
}

/// Reads and checks one file.
///
/// # Errors
/// It cannot be read, is not YAML, or says something that no scenario may say.
pub fn load(id: &str, path: &Path) -> Result<Scenario, ScenarioError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ScenarioError::Read { path: path.to_owned(), error })?;
    parse(id, &path.display().to_string(), text)
}

/// As [`load`], from a text that is known by `name`.
///
/// # Errors
/// It is not YAML, or says something that no scenario may say.
pub fn parse(id: &str, name: &str, text: String) -> Result<Scenario, ScenarioError> {
    let source = Arc::new(Source { name: name.to_owned(), text });
    let (document, sources) =
        Sources::read(&source).map_err(|message| ScenarioError::Wrong(vec![message]))?;
    let problems = check::problems(&document);
    if !problems.is_empty() {
        let shown = problems
            .into_iter()
            .map(|problem| sources.place(Some(problem.location)).annotate(&problem.message, Colours::Never));
        return Err(ScenarioError::Wrong(shown.collect()));
    }
    Ok(Scenario { id: id.to_owned(), source, document })
}
