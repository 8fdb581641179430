//! What is wrong with a configuration, and where it was written.
//!
//! Must never print: the command line decides where problems go.

use std::fmt;

use crate::diagnostic::Place;

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
}

impl Problem {
    /// `key` is the configuration key; `message` completes the sentence that begins with the option's name.
    #[must_use]
    pub fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(place) if self.key.is_empty() => f.write_str(&place.annotate(&self.message)),
            Origin::File(place) => f.write_str(&place.annotate(&format!("{}: {}", self.key, self.message))),
            Origin::Default => write!(f, "{}: {}", self.key, self.message),
            origin => write!(f, "{origin}: {}", self.message),
        }
    }
}

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
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}
