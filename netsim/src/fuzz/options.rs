//! Options of an installation, as they are drawn, shrunk and written down.
//!
//! Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use tproxy::backend::BackendId;

use crate::scenario::{FlagValue, Install, Spanned};

/// Exclusions by user, which hold commas themselves and so are written into a file.
const OF_USERS: &str = "exclude-outbound-ports-for-uids";

/// Flags without dashes, each with its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options(BTreeMap<&'static str, Vec<String>>);

impl Options {
    /// The same with one more item.
    #[must_use]
    pub(super) fn with(mut self, flag: &'static str, item: impl ToString) -> Self {
        self.add(flag, item);
        self
    }

    /// Adds an item.
    pub(super) fn add(&mut self, flag: &'static str, item: impl ToString) {
        self.0.entry(flag).or_default().push(item.to_string());
    }

    /// Both together.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        for (flag, items) in other.0 {
            self.0.entry(flag).or_default().extend(items);
        }
        self
    }

    /// Whether a backend refuses some of it by name.
    pub(super) fn is_too_much_for(&self, backend: BackendId) -> bool {
        const NOT_BY_EBPF: [&str; 3] =
            ["drop-invalid-packets", "exclude-outbound-interfaces", "iptables-logs"];
        backend == BackendId::Ebpf && NOT_BY_EBPF.iter().any(|flag| self.has(flag))
    }

    /// Whether there is one of this flag.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    /// Everything that is smaller by one option, or by one item.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let without = |flag: &&'static str| {
            let mut fewer = self.clone();
            fewer.0.remove(flag);
            fewer
        };
        let mut all: Vec<Self> = self.0.keys().map(without).collect();
        for (flag, items) in self.0.iter().filter(|(_, items)| items.len() > 1) {
            for number in 0..items.len() {
                let mut fewer = self.clone();
                if let Some(items) = fewer.0.get_mut(flag) {
                    items.remove(number);
                }
                all.push(fewer);
            }
        }
        all
    }

    /// The installation that they mean.
    pub(super) fn install(&self) -> Install {
        let flags = self.0.iter().filter(|(flag, _)| **flag != OF_USERS);
        let flags = flags
            .map(|(flag, items)| ((*flag).to_owned(), Spanned::unwritten(FlagValue::Text(items.join(",")))));
        let mut install = Install { flags: flags.collect(), ..Install::default() };
        install.config = self.config();
        install
    }

    fn config(&self) -> Option<Value> {
        let items = self.0.get(OF_USERS)?;
        Some(json!({ "redirect": { "outbound": { "excludePortsForUIDs": items } } }))
    }

    /// The same as the `install` key of a scenario file, after the given indentation.
    pub(super) fn yaml(&self, indentation: &str) -> String {
        let flags = self.0.iter().filter(|(flag, _)| **flag != OF_USERS);
        let flags: String = flags
            .map(|(flag, items)| format!("{indentation}    {flag}: \"{}\"\n", items.join(",")))
            .collect();
        let flags = if flags.is_empty() { String::new() } else { format!("{indentation}  flags:\n{flags}") };
        let config =
            self.config().map_or_else(String::new, |config| format!("{indentation}  config: {config}\n"));
        if flags.is_empty() && config.is_empty() {
            format!("{indentation}install: {{}}\n")
        } else {
            format!("{indentation}install:\n{flags}{config}")
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<String> =
            self.0.iter().map(|(flag, items)| format!("--{flag}={}", items.join(","))).collect();
        f.write_str(&flags.join(" "))
    }
}
