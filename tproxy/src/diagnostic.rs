//! Messages that point at a place in a file: name, line, column and a caret under the text.
//!
//! Must never read a file itself: whoever loaded the text hands it over.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

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

/// A stretch of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    line: u64,
    span: Range<usize>,
}

impl Place {
    /// The place that a YAML parser's location means in `source`; the start of the text where it knows none.
    #[must_use]
    pub fn of(source: &Arc<Source>, location: Option<serde_saphyr::Location>) -> Self {
        let line = location.map_or(1, |at| at.line().max(1));
        let span = location.map_or(0..0, |at| {
            // The scanner's own errors know line and column only.
            let start = match at.span().byte_offset() {
                Some(offset) if offset > 0 || at.line() <= 1 => offset as usize,
                _ => offset_of(&source.text, at.line(), at.column()),
            };
            start..start.saturating_add(at.span().byte_len().unwrap_or(0) as usize)
        });
        Self { source: Arc::clone(source), line, span: clamp(&source.text, span) }
    }

    /// `name:line`, for one-line mentions.
    #[must_use]
    pub fn brief(&self) -> String {
        format!("{}:{}", self.source.name, self.line)
    }

    /// `message` with the lines around this place and a caret below it.
    #[must_use]
    pub fn annotate(&self, message: &str, colours: Colours) -> String {
        let snippet = Snippet::source(self.source.text.as_str())
            .path(self.source.name.as_str())
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let report = [Level::ERROR.no_name().primary_title(message).element(snippet)];
        match colours {
            Colours::Always => Renderer::styled().render(&report),
            Colours::Never => Renderer::plain().render(&report),
        }
    }
}

/// Where a line and column, both from 1, stand in a text.
fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let (line, column) = (line.saturating_sub(1) as usize, column.saturating_sub(1) as usize);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let here = text.get(before..).unwrap_or_default();
    before + here.char_indices().nth(column).map_or(here.len(), |(at, _)| at)
}

/// What a YAML parser says, without the place, which is shown beside it, and without advice for programmers.
#[must_use]
pub fn yaml_message(error: &serde_saphyr::Error) -> String {
    let said = error.without_snippet().to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let said = said.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    said.split("; use from_").next().unwrap_or_default().to_owned()
}

/// Parsers count a block's trailing newline and a missing value's end of file in; a caret needs characters.
fn clamp(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |at: usize| {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at = at.saturating_sub(1);
        }
        at
    };
    let (start, end) = (floor(span.start), floor(span.end));
    let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| start + n);
    start..end.clamp(start, line_end)
}

/// The entry of `known` that `word` was probably meant to be: at most a third of its letters off.
#[must_use]
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i + 1);
        let mut before = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let substituted = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = substituted.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scanners_own_errors_stand_where_they_are_too() {
        let text = "redirect:\n\tinbound: {}\n";
        let source = Arc::new(Source { name: "f".to_owned(), text: text.to_owned() });
        let error = serde_saphyr::from_str::<std::collections::BTreeMap<String, String>>(text).unwrap_err();
        let shown = Place::of(&source, error.location()).annotate(&yaml_message(&error), Colours::Never);
        assert!(shown.contains("f:2:") && !shown.contains(" at line "), "{shown}");
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_one_none() {
        assert_eq!(suggest("redirct", ["redirect", "retry"]), Some("redirect"));
        assert_eq!(suggest("completely-else", ["redirect", "retry"]), None);
    }
}
