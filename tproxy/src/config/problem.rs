//! What is wrong with a configuration, and where it was written.
//!
//! Must never print: the command line decides where problems go.

use std::fmt;

use crate::diagnostic::{Colours, Place};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File(Place),
    /// An environment variable, by its full name.
    Variable(String),
    /// A flag, without its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => f.write_str(&place.brief()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    origin: Origin,
    key: String,
    message: String,
    is_unknown_key: bool,
}

impl Problem {
    /// `key` is the configuration key; `message` completes the sentence that begins with the option's name.
    #[must_use]
    pub fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: key.into(), message: message.into(), is_unknown_key: false }
    }

    /// A key in a file that no setting has: kumactl passes it over.
    pub(super) fn unknown_key(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_unknown_key: true, ..Self::new(origin, key, message) }
    }

    /// The whole message, with colours where a terminal shows it.
    #[must_use]
    pub fn render(&self, colours: Colours) -> String {
        let Self { origin, key, message, .. } = self;
        match origin {
            Origin::File(place) if key.is_empty() => place.annotate(message, colours),
            Origin::File(place) => place.annotate(&format!("{key}: {message}"), colours),
            Origin::Default => format!("{key}: {message}"),
            origin => format!("{origin}: {message}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colours::Never))
    }
}

/// So many problems are shown; a file that is wrong as a whole has one a line.
const SHOWN: usize = 20;

/// All that is wrong; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `Ok` when there is none.
    ///
    /// # Errors
    /// Itself, when there is at least one.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Takes out those about unknown keys.
    pub(super) fn take_unknown_keys(&mut self) -> Vec<Problem> {
        let (unknown, rest) =
            std::mem::take(&mut self.0).into_iter().partition(|problem| problem.is_unknown_key);
        self.0 = rest;
        unknown
    }

    /// The messages one by one, with colours where a terminal shows them; of very many the first ones, and how many
    /// more there are.
    #[must_use]
    pub fn render(&self, colours: Colours) -> Vec<String> {
        let mut shown: Vec<String> =
            self.0.iter().take(SHOWN).map(|problem| problem.render(colours)).collect();
        if let Some(more) = self.0.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            shown.push(format!("and {more} more like these"));
        }
        shown
    }

    /// The problems in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colours::Never).join("\n"))
    }
}
