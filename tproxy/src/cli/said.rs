//! The parser's own words, taken apart and made harmless: they repeat what was typed.
//!
//! Must never print.

use std::borrow::Cow;

use clap::error::ErrorKind;

use crate::diagnostic::{Colours, visible};

/// What the parser says of one thing that it does not understand.
pub(super) struct Said {
    /// What is wrong.
    pub(super) message: String,
    /// How it is right, and where to read more.
    pub(super) advice: Vec<String>,
}

impl Said {
    pub(super) fn of(error: &clap::Error, colours: Colours) -> Self {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let message = "a command is missing; --help lists them".to_owned();
            return Self { message, advice: Vec::new() };
        }
        let text = said(error, colours);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let is_advice = |line: &&str| {
            let plain = without_colours(line);
            plain.starts_with("Usage: ") || plain.starts_with("For more information")
        };
        let (message, behind) = lines.split_at(lines.iter().position(is_advice).unwrap_or(lines.len()));
        let message = message.join("\n");
        let message = message.split_once("error:").map_or(message.as_str(), |(_, message)| message);
        let message = message.strip_prefix("\x1b[0m").unwrap_or(message);
        let advice = behind.iter().map(|line| (*line).to_owned()).collect();
        Self { message: message.trim_start().to_owned(), advice }
    }
}

/// A line without the colours that are in it.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// What clap says. It repeats what was typed: with colours only where nothing but colours is in it, and never at length.
pub(super) fn said(error: &clap::Error, colours: Colours) -> String {
    /// In characters; the longest line of any help is shorter.
    const LONGEST: usize = 400;
    let text = error.render();
    let coloured = text.ansi().to_string();
    let is_colour = |escape: &str| {
        escape.strip_prefix('[').is_some_and(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
        })
    };
    let without_escapes = coloured.replace('\u{1b}', "");
    let harmless = coloured.split('\u{1b}').skip(1).all(is_colour)
        && matches!(visible(&without_escapes), Cow::Borrowed(_))
        && without_escapes.lines().all(|line| line.chars().count() <= LONGEST);
    if colours == Colours::Always && harmless {
        return coloured;
    }
    let cut = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…\n", line.get(..at).unwrap_or_default()),
        None => format!("{line}\n"),
    };
    visible(&text.to_string()).lines().map(cut).collect()
}
