//! The table of settings: one entry an option, with its key, flag, variable, help and place in the configuration.
//!
//! A new option is one entry here and its field in [`Config`]; files, environment, flags, help and printing follow from
//! it. Names are Kuma's. Must never hold a grammar, which belongs to the type of the field, nor a rule that concerns two
//! settings, which is `check`'s.

mod dns;
mod ebpf;
mod general;
mod inbound;
mod iptables;
mod outbound;

use super::Config;
use super::value::{Refusals, Value};

/// Every variable of ours begins with this (Kuma behaviour).
pub const VARIABLE_PREFIX: &str = "KUMA_TRANSPARENT_PROXY_";

/// One option in all its spellings.
pub struct Setting {
    /// Path in a configuration file.
    pub key: &'static str,
    /// Name of the flag, without dashes.
    pub flag: Option<&'static str>,
    /// A name that the flag had in older versions.
    pub deprecated_flag: Option<&'static str>,
    /// Name of the variable behind [`VARIABLE_PREFIX`].
    pub variable: Option<&'static str>,
    /// The variable's name without the prefix, where that counts, too (Kuma behaviour).
    pub bare_variable: Option<&'static str>,
    /// What the flag's value is called in help; empty for a switch.
    pub value_name: &'static str,
    /// Under which heading help shows it.
    pub group: Group,
    /// Help, one or two sentences, without the default.
    pub help: &'static str,
    /// Whether the items of a repeated flag add up; else the last one counts.
    pub repeats: bool,
    /// Whether kumactl reads the flag as JSON, so that numbers and quoted texts are taken, too.
    pub(super) json_flag: bool,
    pub(super) access: Access,
}

/// Where the value is kept.
pub(super) struct Access {
    pub(super) set: fn(&mut Config, &Value) -> Result<(), Refusals>,
    pub(super) get: fn(&Config) -> Value,
}

/// Headings of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What concerns everything.
    General,
    /// Arriving connections.
    Inbound,
    /// Connections that local processes open.
    Outbound,
    /// DNS queries and virtual networks.
    Dns,
    /// How the iptables backend works.
    Iptables,
    /// How the eBPF backend works.
    Ebpf,
}

impl Group {
    /// As help prints it.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::General => "General options",
            Self::Inbound => "Arriving connections",
            Self::Outbound => "Outgoing connections",
            Self::Dns => "DNS and virtual networks",
            Self::Iptables => "iptables backend",
            Self::Ebpf => "eBPF backend",
        }
    }
}

impl Setting {
    /// Whether the flag may stand without a value.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.value_name.is_empty()
    }

    /// Its value in a configuration; `Null` for one that other settings hold.
    #[must_use]
    pub fn value(&self, config: &Config) -> Value {
        (self.access.get)(config)
    }

    /// The variable's full name.
    #[must_use]
    pub fn prefixed_variable(&self) -> Option<String> {
        self.variable.map(|name| format!("{VARIABLE_PREFIX}{name}"))
    }
}

/// All settings, in the order of help and of printed configurations.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    [
        general::SETTINGS,
        inbound::SETTINGS,
        outbound::SETTINGS,
        dns::SETTINGS,
        iptables::SETTINGS,
        ebpf::SETTINGS,
    ]
    .into_iter()
    .flatten()
}

/// The setting of a key, in any case (Kuma behaviour).
#[must_use]
pub fn of_key(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key.eq_ignore_ascii_case(key))
}

/// The settings that hold what `setting` sets in one text; none for a setting that holds its value itself.
pub(super) fn parts(setting: &'static Setting) -> impl Iterator<Item = &'static Setting> {
    let is_part =
        |part: &&Setting| part.key.strip_prefix(setting.key).is_some_and(|rest| rest.starts_with('.'));
    all().filter(is_part)
}

/// The setting of a flag, by its name or the one that it had in older versions.
#[must_use]
pub fn of_flag(flag: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.flag == Some(flag) || setting.deprecated_flag == Some(flag))
}

/// Whether a variable of this name is meant for us, though no setting may have it.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    name.starts_with(VARIABLE_PREFIX) || all().any(|setting| setting.bare_variable == Some(name))
}

/// A setting to be completed: a file-only text, without a place.
const BASE: Setting = Setting {
    key: "",
    flag: None,
    deprecated_flag: None,
    variable: None,
    bare_variable: None,
    value_name: "",
    group: Group::General,
    help: "",
    repeats: false,
    json_flag: false,
    access: Access { set: |_, _| Ok(()), get: |_| Value::Null },
};

/// The field of the configuration that a setting fills; the field's type decides on the grammar.
macro_rules! at {
    ($($field:ident).+) => {
        $crate::config::settings::Access {
            set: |config, value| {
                config.$($field).+ = $crate::config::value::Spelling::read(value)?;
                Ok(())
            },
            get: |config| $crate::config::value::Spelling::write(&config.$($field).+),
        }
    };
}
use at;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_flag_and_variable_stands_for_one_setting() {
        let unique = |names: Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
        assert!(unique(all().map(|setting| setting.key).collect()));
        assert!(unique(
            all().flat_map(|setting| [setting.flag, setting.deprecated_flag]).flatten().collect()
        ));
        assert!(unique(all().filter_map(|setting| setting.variable).collect()));
    }

    #[test]
    fn every_flag_has_help_and_every_setting_but_a_part_has_a_variable() {
        for setting in all() {
            assert!(setting.flag.is_none() || !setting.help.is_empty(), "{} has no help", setting.key);
            let is_part = setting.key.starts_with("iptablesExecutables.");
            assert_eq!(setting.variable.is_none(), is_part, "{}", setting.key);
        }
    }

    #[test]
    fn every_setting_reads_what_it_writes() {
        let default = Config::default();
        for setting in all().filter(|setting| setting.value(&default) != Value::Null) {
            let mut config = Config::default();
            (setting.access.set)(&mut config, &setting.value(&default)).unwrap();
            assert_eq!(config, default, "{}", setting.key);
        }
    }
}
