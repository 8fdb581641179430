//! A stretch of a text, and how a message points at it.
//!
//! A place is made for every value of a file and shown for few of them, so everything costly waits until it is shown.
//! Must never show more of a text than a screen holds.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_saphyr::Location;

use super::visible::{harmless, shortened, visible};
use super::{Colours, Source};

/// So many bytes of a line are shown on each side of a place, before the renderer fits them to the screen.
const AROUND: usize = 512;

/// A stretch of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    at: At,
}

/// Where in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nowhere in particular.
    Start,
    /// As a YAML parser says.
    Parsed(Location),
    /// The character at this byte.
    Byte(usize),
}

impl Place {
    /// The place that a YAML parser's location means in `source`; the start of the text where it knows none.
    #[must_use]
    pub fn of(source: &Arc<Source>, location: Option<Location>) -> Self {
        Self { source: Arc::clone(source), at: location.map_or(At::Start, At::Parsed) }
    }

    /// The place of the character at byte `offset` of `source`.
    #[must_use]
    pub fn of_byte(source: &Arc<Source>, offset: usize) -> Self {
        Self { source: Arc::clone(source), at: At::Byte(offset) }
    }

    /// What users know the text by.
    #[must_use]
    pub fn source_name(&self) -> &str {
        &self.source.name
    }

    /// What stands there, as far as the line goes.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text.get(self.span()).unwrap_or_default()
    }

    /// Another place in the same text.
    #[must_use]
    pub fn at(&self, location: Location) -> Self {
        Self::of(&self.source, Some(location))
    }

    /// `name:line`, for one-line mentions.
    #[must_use]
    pub fn brief(&self) -> String {
        format!("{}:{}", shortened(&self.source.name), self.line())
    }

    /// `name:line:column`, for mentions that tell two places of one line apart.
    #[must_use]
    pub fn exact(&self) -> String {
        format!("{}:{}", self.brief(), self.column())
    }

    /// `message` with the line of this place and a caret below it.
    #[must_use]
    pub fn annotate(&self, message: &str, colours: Colours) -> String {
        let Excerpt { text, span, left_out } = self.excerpt();
        let (message, name) = (visible(message), shortened(&self.source.name));
        let snippet = Snippet::source(text.as_str())
            .path(name.as_str())
            .line_start(usize::try_from(self.line()).unwrap_or(usize::MAX))
            .annotation(AnnotationKind::Primary.span(span));
        let report = [Level::ERROR.no_name().primary_title(message.as_ref()).element(snippet)];
        let rendered = match colours {
            Colours::Always => Renderer::styled().render(&report),
            Colours::Never => Renderer::plain().render(&report),
        };
        match left_out {
            0 => rendered,
            left_out => moved(&rendered, message.lines().count(), left_out),
        }
    }

    fn line(&self) -> u64 {
        match self.at {
            At::Start => 1,
            At::Parsed(at) => at.line().max(1),
            At::Byte(offset) => 1 + self.before(offset).matches('\n').count() as u64,
        }
    }

    fn column(&self) -> u64 {
        match self.at {
            At::Start => 1,
            At::Parsed(at) => at.column().max(1),
            At::Byte(offset) => {
                let before = self.before(offset);
                let line = before.rfind(BREAKS).and_then(|at| before.get(at + 1..)).unwrap_or(before);
                1 + line.chars().count() as u64
            }
        }
    }

    fn before(&self, offset: usize) -> &str {
        self.source.text.get(..offset).unwrap_or_default()
    }

    fn excerpt(&self) -> Excerpt {
        let (text, span) = (self.source.text.as_str(), self.span());
        let before = text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind(BREAKS).map_or(0, |at| at + 1);
        let start = text.floor_char_boundary(span.start.saturating_sub(AROUND)).max(line_start);
        let end = text.floor_char_boundary(span.start.saturating_add(AROUND)).min(line_end(text, span.start));
        let part = |bytes: Range<usize>| text.get(bytes).unwrap_or_default();
        let place_end = span.end.min(end);
        let [before, place, behind] =
            [start..span.start, span.start..place_end, place_end..end].map(|bytes| harmless(part(bytes)));
        let span = before.len()..before.len() + place.len();
        Excerpt {
            text: [before, place, behind].concat(),
            span,
            left_out: part(line_start..start).chars().count(),
        }
    }

    /// In bytes of the text, within one line: parsers count a block's trailing newline and a missing value's end of file
    /// in, and a caret needs characters.
    fn span(&self) -> Range<usize> {
        let text = self.source.text.as_str();
        let at = match self.at {
            At::Start => return 0..0,
            At::Byte(offset) => return offset..text.ceil_char_boundary(offset + 1),
            At::Parsed(at) => at,
        };
        // The scanner's own errors know line and column only.
        let start = match at.span().byte_offset() {
            Some(offset) if offset > 0 || at.line() <= 1 => offset as usize,
            _ => offset_of(text, at.line(), at.column()),
        };
        let end = start.saturating_add(at.span().byte_len().unwrap_or(0) as usize);
        let (start, end) = (text.floor_char_boundary(start), text.floor_char_boundary(end));
        start..end.clamp(start, line_end(text, start))
    }
}

/// The part of a line that is shown.
struct Excerpt {
    text: String,
    /// Where in it the place is.
    span: Range<usize>,
    /// So many characters of the line stand before it.
    left_out: usize,
}

/// The renderer counts columns from the beginning of the excerpt. Line `header` of what it made ends in `:column`.
fn moved(rendered: &str, header: usize, by: usize) -> String {
    let whole = |line: &str| {
        let (before, column) = line.rsplit_once(':')?;
        let digits = column.find(|c: char| !c.is_ascii_digit()).unwrap_or(column.len());
        let (column, behind) = column.split_at_checked(digits)?;
        Some(format!("{before}:{}{behind}", column.parse::<usize>().ok()?.saturating_add(by)))
    };
    let lines = rendered.split('\n').enumerate().map(|(index, line)| match whole(line) {
        Some(whole) if index == header => whole,
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What ends a line in YAML.
const BREAKS: [char; 2] = ['\n', '\r'];

fn line_end(text: &str, start: usize) -> usize {
    text.get(start..).and_then(|rest| rest.find(BREAKS)).map_or(text.len(), |length| start + length)
}

/// Where a line and column, both from 1, stand in a text.
fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let (line, column) = (line.saturating_sub(1) as usize, column.saturating_sub(1) as usize);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let here = text.get(before..).unwrap_or_default();
    before + here.char_indices().nth(column).map_or(here.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_saphyr::Spanned;

    use super::*;
    use crate::diagnostic::yaml_message;

    fn source(text: &str) -> Arc<Source> {
        Arc::new(Source { name: "f".to_owned(), text: text.to_owned() })
    }

    /// A message about the first value of a mapping.
    fn about_first(text: &str) -> String {
        let values: BTreeMap<String, Spanned<String>> = serde_saphyr::from_str(text).unwrap();
        let location = values.first_key_value().unwrap().1.referenced;
        Place::of(&source(text), Some(location)).annotate("wrong", Colours::Never)
    }

    #[test]
    fn the_scanners_own_errors_stand_where_they_are_too() {
        let text = "redirect:\n\tinbound: {}\n";
        let error = serde_saphyr::from_str::<BTreeMap<String, String>>(text).unwrap_err();
        let shown =
            Place::of(&source(text), error.location()).annotate(&yaml_message(&error), Colours::Never);
        assert!(shown.contains("f:2:") && !shown.contains(" at line "), "{shown}");
    }

    #[test]
    fn a_caret_stands_under_the_value() {
        assert_eq!(about_first("a: 1\nb: ö\n"), "wrong\n --> f:1:4\n  |\n1 | a: 1\n  |    ^");
        assert_eq!(about_first("\na: 'ö'\r\nb: 1\n"), "wrong\n --> f:2:4\n  |\n2 | a: 'ö'\n  |    ^^^");
    }

    #[test]
    fn a_caret_covers_a_value_as_it_stands_there() {
        for value in [
            "\"x\"",
            "'x'",
            "'it''s'",
            "\"\\x41\\n\"",
            "x y",
            "\"ö接\"",
            "'#'",
            "\"a: b\"",
            "0x1F",
            "\"\"",
            "' '",
        ] {
            for (before, behind) in
                [("a: ", "\n"), ("a:   ", "   # c\nb: 1\n"), ("{\"a\": ", ", b: 1}"), ("? a\n: ", "\r\n")]
            {
                let text = format!("{before}{value}{behind}");
                let values: BTreeMap<String, Spanned<String>> = serde_saphyr::from_str(&text).unwrap();
                let location = values.first_key_value().unwrap().1.referenced;
                assert_eq!(Place::of(&source(&text), Some(location)).text(), value, "{text}");
            }
        }
    }

    #[test]
    fn a_byte_is_shown_by_its_line_and_column() {
        let place = Place::of_byte(&source("a: 1\r\nö: \u{fffd}x\n"), 10);
        assert_eq!(place.exact(), "f:2:4");
        assert_eq!(
            place.annotate("wrong", Colours::Never),
            "wrong\n --> f:2:4\n  |\n2 | ö: \u{fffd}x\n  |    ^"
        );
    }

    #[test]
    fn of_a_long_line_only_the_surroundings_are_shown() {
        let long = format!("a{}: x", " ".repeat(900));
        let shown = about_first(&format!("{long}{}", "y".repeat(100_000)));
        assert!(shown.len() < 1000 && shown.contains("f:1:904\n") && shown.contains(" xyyy"), "{shown}");
        let shown = about_first(&format!("a: {}", "ß".repeat(2_000_000)));
        assert!(shown.len() < 1000 && shown.contains("f:1:4"), "{shown}");
    }

    #[test]
    fn nothing_of_a_file_is_obeyed_by_a_terminal() {
        let place = Place::of(
            &Arc::new(Source { name: "\u{1b}[2J\n".to_owned(), text: "\u{1b}\u{9b}\u{202e}\r".to_owned() }),
            None,
        );
        for shown in [place.brief(), place.annotate("\u{1b}[31m", Colours::Never)] {
            assert!(!shown.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{shown:?}");
        }
    }
}
