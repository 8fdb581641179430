//! What is told on standard error where a machine reads it: a line of JSON for each error and each warning.
//!
//! Must never tell anything else than what people are told.

use serde::Serialize;

use super::error::CliError;
use super::misuse::Misuse;
use super::said::Said;
use crate::config::problem::Origin;
use crate::config::{Problem, Problems};
use crate::diagnostic::{Colours, in_words, visible};

/// One thing that is told.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    level: Level,
    message: String,
    /// The flag, the variable, or the place in a file that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The configuration key that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warning,
}

impl Told {
    /// Something that the user should know.
    pub(super) fn warning(text: &str) -> Self {
        Self { level: Level::Warning, ..Self::error(text) }
    }

    fn error(text: &str) -> Self {
        Self { level: Level::Error, message: visible(&in_words(text)).into_owned(), origin: None, key: None }
    }

    fn problem(problem: &Problem) -> Self {
        let origin = match problem.origin() {
            Origin::Default => None,
            Origin::File(place) => Some(place.exact()),
            other => Some(other.to_string()),
        };
        let key = Some(problem.key()).filter(|key| !key.is_empty()).map(|key| visible(key).into_owned());
        Self { origin, key, ..Self::error(problem.message()) }
    }

    /// As one line.
    pub(super) fn line(&self) -> String {
        // Texts always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What stopped a verb, one thing after the other.
pub(super) fn of_error(error: &CliError) -> Vec<Told> {
    match error {
        CliError::Misuse(misuse) => of_misuse(misuse),
        CliError::Configuration(problems) => of_problems(problems),
        error => vec![Told::error(&error.to_string())],
    }
}

fn of_misuse(misuse: &Misuse) -> Vec<Told> {
    let mut told: Vec<Told> = misuse
        .errors
        .iter()
        .map(|error| {
            let message = Said::of(error, Colours::Never).message;
            let words: Vec<&str> = message.split_whitespace().collect();
            Told { origin: Misuse::option_of(error), ..Told::error(&words.join(" ")) }
        })
        .collect();
    told.extend(misuse.more().iter().map(|more| Told::error(more)));
    told.extend(misuse.configuration.iter().flat_map(of_problems));
    told
}

fn of_problems(problems: &Problems) -> Vec<Told> {
    let mut told: Vec<Told> = problems.iter().map(Told::problem).collect();
    if let Some(more) = problems.count().checked_sub(told.len()).filter(|more| *more > 0) {
        told.push(Told::error(&format!("and {more} more like these")));
    }
    told
}
