//! The variables of the process, taken apart into texts and what is none.
//!
//! Must never change a text that a setting is read from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use crate::config::settings;

/// All variables by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    texts: BTreeMap<String, String>,
    unreadable: BTreeSet<String>,
}

impl Variables {
    /// The text of one.
    pub(super) fn get(&self, name: &str) -> Option<&String> {
        self.texts.get(name)
    }

    /// All that are texts.
    pub(super) fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    /// Names of those that settings are read from, and that are no texts.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &str> {
        let is_overruled = |bare: &str| {
            let of = settings::all().find(|setting| setting.bare_variable == Some(bare));
            of.and_then(settings::Setting::prefixed_variable)
                .is_some_and(|name| self.texts.contains_key(&name))
        };
        self.unreadable.iter().map(String::as_str).filter(move |name| !is_overruled(name))
    }
}

impl<N: Into<OsString>, T: Into<OsString>> FromIterator<(N, T)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(all: I) -> Self {
        let mut variables = Self::default();
        for (name, value) in all {
            let name = name.into().to_string_lossy().into_owned();
            match value.into().into_string() {
                Ok(text) => _ = variables.texts.insert(name, text),
                Err(_) if settings::is_variable(&name) => _ = variables.unreadable.insert(name),
                // What is wrong with it is shown as well as can be.
                Err(value) => _ = variables.texts.insert(name, value.to_string_lossy().into_owned()),
            }
        }
        variables
    }
}
