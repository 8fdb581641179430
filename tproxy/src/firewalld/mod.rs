//! firewalld's direct configuration: what of it is ours, and its text with other rules of ours in it, or with none.
//!
//! Pure: texts in, texts out. Must never change a byte of what is not ours, nor take for ours what only mentions our
//! names: a chain is ours by its name, a rule by the chain that it stands in or as `Rule::is_ours` says. Passthroughs
//! are never ours.
//!
//! What firewalld 1.3.3 does with the file (its `core/fw_direct.py` and `core/io/direct.py`), which this follows: it
//! flushes the tables of iptables when it starts and when it is reloaded; makes all chains; then inserts the rules of each
//! chain by number, lower priorities first, and as they stand in the file where priorities are equal. With its
//! `iptables` backend, rules of a built-in chain get to `<chain>_direct`, which it jumps to first; with `nftables` to the
//! built-in chain itself. Arguments are split as a shell would. An element or attribute that it does not know makes it
//! pass the whole file over.

mod arguments;
mod document;
mod entry;

use std::path::{Path, PathBuf};

use crate::apply::change::StoredFile;
use crate::family::IpFamily;
use crate::iptables::state::TableState;
use crate::iptables::{CHAIN_PREFIX, COMMENT_PREFIX};
use document::{Document, Element};

pub use document::DirectError;

/// Where firewalld's configuration is; who has no such directory does not use it.
pub const DIRECTORY: &str = "/etc/firewalld";
/// The direct configuration that firewalld reads and writes (`FIREWALLD_DIRECT` in its `config/__init__.py`).
pub const FILE: &str = "/etc/firewalld/direct.xml";

/// What a new file is made from. One that reads so once our rules are gone was made by us.
const NEW: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
    <!-- Made by tproxy, which removes it with its rules unless something else is in it. -->\n<direct>\n</direct>\n";

/// firewalld's direct configuration, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectFile {
    path: PathBuf,
    /// `None` where there is no file.
    text: Option<String>,
    document: Document,
}

impl Default for DirectFile {
    /// A file that is not there yet.
    fn default() -> Self {
        Self { path: PathBuf::from(FILE), text: None, document: Document::without_elements(NEW) }
    }
}

impl DirectFile {
    /// The file that stands at `path` and reads `text`; `None` where there is none.
    ///
    /// # Errors
    /// The text is not what firewalld would load.
    pub fn read(path: &Path, text: Option<String>) -> Result<Self, DirectError> {
        let document = Document::parse(text.as_deref().unwrap_or(NEW), path)?;
        Ok(Self { path: path.to_owned(), text, document })
    }

    /// Whether `text` may hold rules of ours. Where it does not even mention our names, it need not be understood.
    #[must_use]
    pub fn mentions_us(text: &str) -> bool {
        text.contains(CHAIN_PREFIX) || text.contains(COMMENT_PREFIX)
    }

    /// Whether rules of ours are in it.
    #[must_use]
    pub fn has_ours(&self) -> bool {
        self.document.elements.iter().any(Element::is_ours)
    }

    /// Whether rules of ours are in a text.
    #[must_use]
    pub fn is_ours_in(text: &str) -> bool {
        let is_ours = |document: Document| document.elements.iter().any(Element::is_ours);
        Self::mentions_us(text) && Document::parse(text, Path::new(FILE)).is_ok_and(is_ours)
    }

    /// The change after which the file holds `wanted` of ours and nothing else of ours; `None` when it does.
    #[must_use]
    pub fn with(&self, wanted: &[(IpFamily, Vec<TableState>)]) -> Option<StoredFile> {
        let wanted = entry::wanted(wanted, &self.document.elements);
        let ours = self.document.elements.iter().filter(|element| element.is_ours());
        let ours = ours.filter_map(|element| element.entry.as_ref());
        if self.text.is_some() && entry::in_order(ours) == entry::in_order(wanted.iter()) {
            return None;
        }
        Some(self.change(Some(self.document.rewritten(self.base(), &wanted))))
    }

    /// The change after which nothing of ours is left, a file that we made included; `None` where nothing is.
    #[must_use]
    pub fn without_ours(&self) -> Option<StoredFile> {
        self.has_ours().then(|| {
            let rest = self.document.rewritten(self.base(), &[]);
            self.change((rest != NEW).then_some(rest))
        })
    }

    /// The change after which the file holds of ours what is in the text `before`; `None` when it does.
    #[must_use]
    pub fn returned(&self, before: &str) -> Option<StoredFile> {
        let then = if Self::mentions_us(before) { Document::parse(before, &self.path).ok() } else { None };
        let then = then.map(|document| document.elements).unwrap_or_default();
        let ours = |elements: &[Element]| -> Vec<entry::Entry> {
            let ours = elements.iter().filter(|element| element.is_ours());
            ours.filter_map(|element| element.entry.clone()).collect()
        };
        let (then, now) = (ours(&then), ours(&self.document.elements));
        if then.is_empty() {
            return self.without_ours();
        }
        (then != now).then(|| self.change(Some(self.document.rewritten(self.base(), &then))))
    }

    /// Its text; none where there is no file.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    fn base(&self) -> &str {
        self.text.as_deref().unwrap_or(NEW)
    }

    fn change(&self, after: Option<String>) -> StoredFile {
        StoredFile { path: self.path.clone(), before: self.text.clone(), after }
    }
}

#[cfg(test)]
#[path = "firewalld_tests.rs"]
mod tests;
