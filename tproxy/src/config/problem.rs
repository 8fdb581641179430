//! What is wrong with a configuration, and where it was written.
//!
//! Must never print: the command line decides where problems go.

use std::fmt;

use super::first_few::FirstFew;
use crate::diagnostic::{Colours, Place, shortened, visible};

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
            Self::Variable(name) => f.write_str(&shortened(name)),
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
}

impl Problem {
    /// `key` is the configuration key; `message` completes the sentence that begins with the option's name.
    #[must_use]
    pub fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: key.into(), message: message.into() }
    }

    /// Where the value came from that it is about.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The configuration key; empty where it is about no single one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, without where.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole message, with colours where a terminal shows it.
    #[must_use]
    pub fn render(&self, colours: Colours) -> String {
        let Self { origin, key, message, .. } = self;
        match origin {
            Origin::File(place) if key.is_empty() => place.annotate(message, colours),
            Origin::File(place) => place.annotate(&format!("{}: {message}", shortened(key)), colours),
            Origin::Default => visible(&format!("{key}: {message}")).into_owned(),
            origin => visible(&format!("{origin}: {message}")).into_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colours::Never))
    }
}

/// All that is wrong; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// Keys in files that no setting has: kumactl passes them over.
    unknown_keys: FirstFew<Problem>,
    others: FirstFew<Problem>,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.others.push(problem);
    }

    /// Adds one about an unknown key.
    pub(super) fn push_unknown_key(&mut self, problem: impl FnOnce() -> Problem) {
        self.unknown_keys.push_with(problem);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.unknown_keys.extend(other.unknown_keys);
        self.others.extend(other.others);
    }

    /// `Ok` when there is none.
    ///
    /// # Errors
    /// Itself, when there is at least one.
    pub fn into_result(self) -> Result<(), Self> {
        if self.unknown_keys.is_empty() && self.others.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Takes out those about unknown keys.
    pub(super) fn take_unknown_keys(&mut self) -> FirstFew<Problem> {
        std::mem::take(&mut self.unknown_keys)
    }

    /// The messages one by one, with colours where a terminal shows them; of very many the first ones, and how many
    /// more there are.
    #[must_use]
    pub fn render(&self, colours: Colours) -> Vec<String> {
        let mut all = self.unknown_keys.clone();
        all.extend(self.others.clone());
        all.texts(|problem| problem.render(colours))
    }

    /// How many there are, those that are not shown among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.unknown_keys.count() + self.others.count()
    }

    /// Those that are shown.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.unknown_keys.iter().chain(self.others.iter())
    }
}

impl From<FirstFew<Problem>> for Problems {
    fn from(others: FirstFew<Problem>) -> Self {
        Self { unknown_keys: FirstFew::default(), others }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        FirstFew::from(problem).into()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colours::Never).join("\n"))
    }
}
