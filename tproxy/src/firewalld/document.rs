//! The text of a direct configuration with the places of its elements, and the text with ours exchanged.
//!
//! Must never write anything but our elements: the rest is copied byte for byte.

use std::ops::Range;
use std::path::{Path, PathBuf};

use roxmltree::Node;

use super::arguments;
use super::entry::{Chain, Entry};
use crate::iptables::rule::Rule;

/// A text that firewalld would not load as a direct configuration, so that nothing can be stored in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectError {
    /// It is no XML, or has a document type.
    #[error("{} is not XML that can be read: {error}; correct it, or move it away", path.display())]
    Xml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: roxmltree::Error,
    },
    /// It has what firewalld does not know.
    #[error("{}:{line}:{column}: {what}, so that firewalld does not load this file; correct it, or move it away", path.display())]
    Element {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
        /// What is wrong.
        what: String,
    },
}

/// Where everything stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) elements: Vec<Element>,
    /// Where the root element's content ends, before the line break that leads to its end.
    end: usize,
    /// Whether the root is a single tag.
    is_closed: bool,
}

/// An element below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// Bytes that go with it: from the line break before it where it ends its line.
    range: Range<usize>,
    /// What it says; `None` for a passthrough, and for a rule whose arguments cannot be split.
    pub(super) entry: Option<Entry>,
}

impl Element {
    pub(super) fn is_ours(&self) -> bool {
        self.entry.as_ref().is_some_and(Entry::is_ours)
    }
}

impl Document {
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, DirectError> {
        let xml = roxmltree::Document::parse(text)
            .map_err(|error| DirectError::Xml { path: path.to_owned(), error })?;
        let refused = |(node, what): (Node<'_, '_>, String)| {
            let place = xml.text_pos_at(node.range().start);
            DirectError::Element { path: path.to_owned(), line: place.row, column: place.col, what }
        };
        let root = xml.root_element();
        if root.tag_name().name() != "direct" || root.tag_name().namespace().is_some() {
            return Err(refused((root, format!("`{}` is not `direct`", root.tag_name().name()))));
        }
        allow(root, &[]).map_err(refused)?;
        let nodes = root.children().filter(Node::is_element);
        let elements = nodes.map(|node| {
            let entry = entry(node)?;
            Ok(Element { range: with_line(text, node.range()), entry })
        });
        let elements = elements.collect::<Result<_, _>>().map_err(refused)?;
        Ok(Self { elements, ..Self::without_elements(text.get(..root.range().end).unwrap_or_default()) })
    }

    /// A text that ends with its root element, of which nothing else is known.
    pub(super) fn without_elements(text: &str) -> Self {
        let is_closed = text.ends_with("/>");
        let tag = text.rfind(if is_closed { "/>" } else { "</" }).unwrap_or(text.len());
        let end = if is_closed { tag } else { line_break_before(text, tag).unwrap_or(tag) };
        Self { elements: Vec::new(), end, is_closed }
    }

    /// `text`, which this was parsed from, with `entries` in the place of ours.
    pub(super) fn rewritten(&self, text: &str, entries: &[Entry]) -> String {
        let mut rewritten = String::with_capacity(text.len());
        let mut at = 0;
        for ours in self.elements.iter().filter(|element| element.is_ours()) {
            rewritten.push_str(text.get(at..ours.range.start).unwrap_or_default());
            at = ours.range.end;
        }
        rewritten.push_str(text.get(at..self.end).unwrap_or_default());
        let opens = self.is_closed && !entries.is_empty();
        if opens {
            rewritten.push('>');
        }
        for entry in entries {
            rewritten.push_str("\n  ");
            rewritten.push_str(&entry.text());
        }
        let rest = text.get(self.end..).unwrap_or_default();
        match rest.strip_prefix("/>") {
            Some(rest) if opens => rewritten + "\n</direct>" + rest,
            _ => rewritten + rest,
        }
    }
}

/// The range of an element with the line break before it, where nothing else stands in its lines.
fn with_line(text: &str, range: Range<usize>) -> Range<usize> {
    let behind = text.get(range.end..).unwrap_or_default().trim_start_matches([' ', '\t']);
    let ends_line = behind.starts_with(['\n', '\r']) || behind.starts_with("</");
    match line_break_before(text, range.start).filter(|_| ends_line) {
        Some(start) => start..range.end,
        None => range,
    }
}

/// Where the line break is that only blanks separate from `at`.
fn line_break_before(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?.trim_end_matches([' ', '\t']).strip_suffix('\n')?;
    Some(before.strip_suffix('\r').unwrap_or(before).len())
}

/// Something that firewalld does not accept, and where.
type Refused<'a, 'input> = (Node<'a, 'input>, String);

/// Insists on these attributes and no others.
fn allow<'a, 'input>(node: Node<'a, 'input>, names: &[&str]) -> Result<(), Refused<'a, 'input>> {
    if let Some(missing) = names.iter().find(|name| node.attribute(**name).is_none()) {
        return Err((node, format!("attribute `{missing}` is missing")));
    }
    match node.attributes().find(|attribute| !names.contains(&attribute.name())) {
        Some(unknown) => Err((node, format!("attribute `{}` is not known", unknown.name()))),
        None => Ok(()),
    }
}

fn entry<'a, 'input>(node: Node<'a, 'input>) -> Result<Option<Entry>, Refused<'a, 'input>> {
    if let Some(inner) = node.children().find(Node::is_element) {
        return Err((inner, format!("element `{}` is not known here", inner.tag_name().name())));
    }
    match node.tag_name().name() {
        "passthrough" => allow(node, &["ipv"]).map(|()| None),
        "chain" => {
            allow(node, &["ipv", "table", "chain"])?;
            Ok(Some(Entry::Chain(chain(node))))
        }
        "rule" => {
            allow(node, &["ipv", "table", "chain", "priority"])?;
            let priority = attribute(node, "priority");
            let priority = priority.trim().parse();
            let priority =
                priority.map_err(|_| (node, "the priority is not a number of 32 bits".to_owned()))?;
            let text: String =
                node.children().filter_map(|child| child.text().filter(|_| child.is_text())).collect();
            let rule = |words| Entry::Rule { chain: chain(node), priority, rule: Rule::from_words(words) };
            Ok(arguments::split(&text).map(rule))
        }
        other => Err((node, format!("element `{other}` is not known here"))),
    }
}

fn chain(node: Node<'_, '_>) -> Chain {
    Chain { ipv: attribute(node, "ipv"), table: attribute(node, "table"), name: attribute(node, "chain") }
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}
