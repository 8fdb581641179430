//! Paths of files, directories and programs, cleaned by their text alone.
//!
//! Must never look whether anything is there.

use std::fmt;
use std::path::{Path, PathBuf};

use super::value::{Allowed, Refusal, Refusals, Spelling, Value};

/// A path from the root, without `.`, `..` and doubled slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    pub(super) fn new(path: &str) -> Self {
        Self(cleaned(path))
    }

    /// As the standard library takes it.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    fn parse(text: &str, allowed: &str) -> Result<Self, Refusal> {
        if !text.starts_with('/') {
            return Err(Refusal::of(text, allowed));
        }
        // PATH_MAX of include/uapi/linux/limits.h, NUL included.
        if text.len() >= 4096 {
            return Err(Refusal::about(text, "is longer than 4095 bytes, more than any path may have"));
        }
        if text.contains(char::is_control) {
            return Err(Refusal::about(text, "has control characters, which no path here needs"));
        }
        Ok(Self::new(text))
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// By text, as kumactl does: `..` takes the name before it away.
fn cleaned(text: &str) -> PathBuf {
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    PathBuf::from(format!("/{}", names.join("/")))
}

impl Spelling for AbsolutePath {
    fn read(value: &Value) -> Result<Self, Refusals> {
        const ALLOWED: &str = "an absolute path";
        match value {
            Value::Text(text) => Ok(Self::parse(text, ALLOWED)?),
            _ => value.refuse(ALLOWED),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl Spelling for Option<AbsolutePath> {
    /// A program; empty means that none was given.
    fn read(value: &Value) -> Result<Self, Refusals> {
        const ALLOWED: &str = "an absolute path to a program";
        match value {
            Value::Null => Ok(None),
            Value::Text(text) if text.is_empty() => Ok(None),
            Value::Text(text) => Ok(Some(AbsolutePath::parse(text, ALLOWED)?)),
            _ => value.refuse(ALLOWED),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.as_ref().map(ToString::to_string).unwrap_or_default())
    }
}

/// Explicit iptables programs; a family's three go together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IptablesExecutables {
    /// The IPv4 programs.
    pub ipv4: ProgramSet,
    /// The IPv6 programs.
    pub ipv6: ProgramSet,
}

/// The three programs that one family needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramSet {
    /// `iptables` or `ip6tables`.
    pub base: Option<AbsolutePath>,
    /// `iptables-save` or `ip6tables-save`.
    pub save: Option<AbsolutePath>,
    /// `iptables-restore` or `ip6tables-restore`.
    pub restore: Option<AbsolutePath>,
}

impl IptablesExecutables {
    /// Sets programs by a list of `name:path`, separated by commas; those that are not in the list stay.
    ///
    /// # Errors
    /// What is no such list.
    pub(super) fn merge(&mut self, value: &Value) -> Result<(), Refusals> {
        let allowed =
            Allowed { list: "a list of `name:path`, separated by commas", item: "of the form `name:path`" };
        for (name, path) in value.each(Some(','), allowed, pair)? {
            if let Some(program) = self.program(&name) {
                *program = path;
            }
        }
        Ok(())
    }

    fn program(&mut self, name: &str) -> Option<&mut Option<AbsolutePath>> {
        Some(match name {
            "iptables" => &mut self.ipv4.base,
            "iptables-save" => &mut self.ipv4.save,
            "iptables-restore" => &mut self.ipv4.restore,
            "ip6tables" => &mut self.ipv6.base,
            "ip6tables-save" => &mut self.ipv6.save,
            "ip6tables-restore" => &mut self.ipv6.restore,
            _ => return None,
        })
    }
}

fn pair(text: &str) -> Result<(String, Option<AbsolutePath>), Refusal> {
    const NAMES: &str =
        "one of iptables, iptables-save, iptables-restore, ip6tables, ip6tables-save, ip6tables-restore";
    let Some((name, path)) = text.split_once(':') else {
        return Err(Refusal::of(text, "of the form `name:path`"));
    };
    if IptablesExecutables::default().program(name).is_none() {
        return Err(Refusal::of(name, NAMES));
    }
    let path = path.trim();
    let path = if path.is_empty() {
        None
    } else {
        Some(AbsolutePath::parse(path, "an absolute path to a program")?)
    };
    Ok((name.to_owned(), path))
}
