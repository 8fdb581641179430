//! One thing that was looked at, how it is, how that is known, and what to do.
//!
//! Subjects are part of the interface: scripts look for them. Must never change a subject; a new thing gets a new one.

use std::fmt;

use serde::Serialize;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was seen to work.
    Works,
    /// Capture works, but not as the user may think.
    Warning,
    /// The configuration needs it, and it is not there.
    Missing,
    /// It could not be tried or seen.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Works => "works",
            Self::Warning => "warning",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        })
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of what was looked at.
    pub subject: String,
    /// How it is.
    pub outcome: Outcome,
    /// What shows it.
    pub evidence: String,
    /// What to do, where something can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn works(subject: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self { subject: subject.into(), outcome: Outcome::Works, evidence: evidence.into(), advice: None }
    }

    pub(super) fn warning(
        subject: impl Into<String>,
        evidence: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::advised(Outcome::Warning, subject, evidence, advice)
    }

    pub(super) fn missing(
        subject: impl Into<String>,
        evidence: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::advised(Outcome::Missing, subject, evidence, advice)
    }

    pub(super) fn unknown(
        subject: impl Into<String>,
        evidence: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::advised(Outcome::Unknown, subject, evidence, advice)
    }

    pub(super) fn advised(
        outcome: Outcome,
        subject: impl Into<String>,
        evidence: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = Some(advice.into()).filter(|advice| !advice.is_empty());
        Self { subject: subject.into(), outcome, evidence: evidence.into(), advice }
    }
}
