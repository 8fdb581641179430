//! One value as some source wrote it, and the grammars that turn it into typed settings.
//!
//! Must never know which setting a value is for: the settings table pairs the two.

use std::path::PathBuf;

use super::ports::{Port, Ports};
use super::{IpFamilyMode, SidecarUser};

/// A value before it has a type: flags and variables are text, files know more kinds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// A string, or any flag and variable.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A sequence.
    List(Vec<Raw>),
    /// A mapping where a value belongs.
    Mapping,
    /// `null`, `~` or nothing.
    Null,
}

/// Why a value does not fit: what was found, and what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} is not {allowed}")]
pub(super) struct ValueError {
    found: String,
    allowed: &'static str,
}

type Parsed<T> = Result<T, ValueError>;

impl Raw {
    fn refuse<T>(&self, allowed: &'static str) -> Parsed<T> {
        Err(ValueError { found: self.describe(), allowed })
    }

    fn describe(&self) -> String {
        match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Integer(number) => format!("`{number}`"),
            Self::Float(number) => format!("`{number:?}`"),
            Self::Bool(value) => format!("`{value}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Mapping => "a mapping".to_owned(),
            Self::Null => "an empty value".to_owned(),
        }
    }

    /// The refusal of a name that `--iptables-executables` does not know.
    pub(super) fn unknown_program(&self, name: &str) -> ValueError {
        const ALLOWED: &str =
            "one of iptables, iptables-save, iptables-restore, ip6tables, ip6tables-save, ip6tables-restore";
        ValueError { found: format!("`{name}`"), allowed: ALLOWED }
    }

    /// Whether this says the same as `text`, which is how the table writes the defaults of options to come.
    pub(super) fn says(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own.trim() == text,
            Self::Integer(number) => number.to_string() == text,
            Self::Bool(value) => value.to_string() == text,
            Self::List(items) => items.is_empty() && text.is_empty(),
            Self::Null => true,
            Self::Float(_) | Self::Mapping => false,
        }
    }

    /// The words that Go's `strconv.ParseBool` takes, as kumactl does.
    pub(super) fn bool(&self) -> Parsed<bool> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::Text(text) => match text.trim() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => self.refuse("`true` or `false`"),
            },
            _ => self.refuse("`true` or `false`"),
        }
    }

    /// A port to listen on.
    pub(super) fn port(&self) -> Parsed<Port> {
        const ALLOWED: &str = "a port from 1 to 65535";
        let number = match self {
            Self::Integer(number) => u16::try_from(*number).ok(),
            Self::Text(text) => decimal(text.trim()).and_then(|number| u16::try_from(number).ok()),
            _ => None,
        };
        number.and_then(Port::new).map_or_else(|| self.refuse(ALLOWED), Ok)
    }

    /// Ports separated by commas, a number, or a list of both. Blanks and empty items are skipped.
    pub(super) fn ports(&self) -> Parsed<Ports> {
        const ALLOWED: &str = "a list of ports: numbers from 1 to 65535, separated by commas";
        match self {
            Self::Integer(_) => Ok(Ports::from_ports([self.port()?])),
            Self::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Self::Text(item.to_owned()).port())
                .collect::<Parsed<Vec<_>>>()
                .map(Ports::from_ports),
            Self::List(items) => {
                let lists = items.iter().map(Self::ports).collect::<Parsed<Vec<_>>>()?;
                Ok(Ports::from_ports(lists.iter().flat_map(Ports::iter)))
            }
            _ => self.refuse(ALLOWED),
        }
    }

    /// `dualstack` or `ipv4` in any case; empty means dualstack.
    pub(super) fn ip_family_mode(&self) -> Parsed<IpFamilyMode> {
        match self {
            Self::Null => Ok(IpFamilyMode::DualStack),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "" | "dualstack" => Ok(IpFamilyMode::DualStack),
                "ipv4" => Ok(IpFamilyMode::Ipv4),
                _ => self.refuse("`dualstack` or `ipv4`"),
            },
            _ => self.refuse("`dualstack` or `ipv4`"),
        }
    }

    /// A user id or a user name; empty means that none was chosen.
    pub(super) fn sidecar_user(&self) -> Parsed<Option<SidecarUser>> {
        const ALLOWED: &str = "a user name or a user id from 0 to 4294967294";
        let text = match self {
            Self::Null => return Ok(None),
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
            _ => return self.refuse(ALLOWED),
        };
        if text.is_empty() {
            return Ok(None);
        }
        if text.starts_with('-') || text.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':') {
            return self.refuse(ALLOWED);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Some(SidecarUser::Name(text)));
        }
        // 2^32-1 is the kernel's "no user" (uid_t)-1.
        match decimal(&text).and_then(|number| u32::try_from(number).ok()).filter(|uid| *uid != u32::MAX) {
            Some(uid) => Ok(Some(SidecarUser::Uid(uid))),
            None => self.refuse(ALLOWED),
        }
    }

    /// An absolute path to a program; empty means that none was given.
    pub(super) fn program(&self) -> Parsed<Option<PathBuf>> {
        const ALLOWED: &str = "an absolute path to a program";
        match self {
            Self::Null => Ok(None),
            Self::Text(text) if text.is_empty() => Ok(None),
            Self::Text(text) if text.starts_with('/') && !text.contains('\0') => Ok(Some(text.into())),
            _ => self.refuse(ALLOWED),
        }
    }

    /// `name:path` pairs separated by commas, as `--iptables-executables` takes them.
    pub(super) fn named_programs(&self) -> Parsed<Vec<(String, Raw)>> {
        const ALLOWED: &str = "a list of `name:path`, separated by commas";
        let Self::Text(text) = self else { return self.refuse(ALLOWED) };
        text.split(',')
            .filter(|item| !item.trim().is_empty())
            .map(|item| match item.trim().split_once(':') {
                Some((name, path)) => Ok((name.to_owned(), Self::Text(path.to_owned()))),
                None => Self::Text(item.to_owned()).refuse("of the form `name:path`"),
            })
            .collect()
    }
}

/// Digits only: `str::parse` would take a leading `+`, too.
fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
