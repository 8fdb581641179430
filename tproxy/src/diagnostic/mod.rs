//! Messages that point at a place in a file: name, line, column and a caret under the text.
//!
//! Must never read a file itself: whoever loaded the text hands it over.

mod place;
mod spelling;
mod visible;

pub use place::Place;
pub use spelling::suggest;
pub use visible::{in_words, shortened, visible};

use serde_saphyr::budget::BudgetBreach;

/// Whether a message may hold colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// For a terminal.
    Always,
    /// For everything else.
    Never,
}

/// A text together with the name that users know it by (a path, or `standard input`).
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Shown in front of line and column.
    pub name: String,
    /// The whole text, as it was read.
    pub text: String,
}

/// What a YAML parser says, without the place, which is shown beside it, and without advice for programmers.
#[must_use]
pub fn yaml_message(error: &serde_saphyr::Error) -> String {
    let mut error = error.without_snippet();
    while let serde_saphyr::Error::AliasError { error: behind, .. } = error {
        error = behind.without_snippet();
    }
    if let serde_saphyr::Error::Budget { breach, .. } = error {
        return excess(breach).to_owned();
    }
    if let serde_saphyr::Error::InvalidScalar { ty, .. } = error {
        return kind(ty);
    }
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let said = said.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    // Some of them quote a whole key or number.
    visible::beginning(said.split("; use from_").next().unwrap_or_default(), 200)
}

/// What a value must be that is none of its type, whose name the parser gives in Rust's words.
fn kind(ty: &str) -> String {
    let most = match ty {
        "bool" | "boolean" => return "it must be `true` or `false`".to_owned(),
        "f32" | "f64" => return "it must be a number".to_owned(),
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX.into(),
        "u64" | "usize" => u64::MAX,
        ty if ty.starts_with('i') => return "it must be a whole number".to_owned(),
        ty => return format!("invalid {ty}"),
    };
    format!("it must be a whole number from 0 to {most}")
}

/// What there is too much of in a file that would cost more than any configuration does.
fn excess(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Depth { .. } => "it is nested too deeply",
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => "it has too many anchors (&) and aliases (*)",
        BudgetBreach::MergeKeys { .. } => "it merges (<<) too often",
        BudgetBreach::Documents { .. } => "it has too many documents",
        _ => "it has too many values",
    }
}
