//! Texts of others made fit for a message: nothing in them reaches a terminal as a command, and none fills the screen.
//!
//! Must never change a text that is worked with: this is for showing only.

use std::borrow::Cow;

/// `text` with every character that a terminal would obey written as an escape. Line breaks stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && obeyed(c))
}

/// What the standard library says of an error of the system, without its number, of which the words say what it means.
#[must_use]
pub fn in_words(said: &str) -> String {
    let mut parts = said.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let behind = part.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(')');
        match behind {
            Some(behind) => text + behind,
            None => format!("{text} (os error {part}"),
        }
    })
}

/// The beginning of a text as one line: enough to recognise it by.
#[must_use]
pub fn shortened(text: &str) -> String {
    beginning(text, 80)
}

/// At most so many characters of a text, as one line.
pub(super) fn beginning(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", escaped(text.get(..at).unwrap_or_default(), obeyed)),
        None => escaped(text, obeyed).into_owned(),
    }
}

/// The same text character by character, with a sign in place of those that the renderer of messages does not know to
/// be obeyed by terminals; it shows those of ASCII by itself.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if !c.is_ascii() && obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Control characters (C0, DEL, C1), and what turns the direction of writing or breaks lines (Unicode's Bidi_Control,
/// U+2028, U+2029, U+FEFF).
fn obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_an_escape() {
        assert_eq!(visible("a\u{1b}[31m\u{9b}\u{7f}\u{202e}\nb"), "a\\u{1b}[31m\\u{9b}\\u{7f}\\u{202e}\nb");
        assert!(matches!(visible("Ärger — 接口 'x' \"y\" \\ z"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_error_of_the_system_is_told_in_words() {
        let said = format!("cannot read x: {}; give y", std::io::Error::from_raw_os_error(2));
        assert_eq!(in_words(&said), "cannot read x: No such file or directory; give y");
        assert_eq!(in_words("a (os error x) b"), "a (os error x) b");
    }

    #[test]
    fn a_long_text_is_cut_and_stays_on_one_line() {
        assert_eq!(shortened("a\nb"), "a\\nb");
        assert_eq!(shortened(&"ß".repeat(81)), format!("{}…", "ß".repeat(80)));
        assert_eq!(shortened(&"ß".repeat(80)), "ß".repeat(80));
    }
}
