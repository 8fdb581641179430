//! Settings whose values are words or small numbers of a closed set: users, families, backends, levels, names.
//!
//! Must never look at the host: whether a user exists is decided when the plan is made.

use std::fmt;
use std::net::IpAddr;

use super::value::{Refusals, Spelling, Value, decimal};

/// Which IP families to capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamilyMode {
    /// IPv4, and IPv6 where the host has it.
    DualStack,
    /// IPv4 only.
    Ipv4,
}

/// Which backend the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// iptables, of the flavour that the host uses.
    Auto,
    /// iptables over nf_tables.
    IptablesNft,
    /// iptables over x_tables.
    IptablesLegacy,
    /// eBPF.
    Ebpf,
}

/// The sidecar's user as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SidecarUser {
    /// A user id, taken as it is.
    Uid(u32),
    /// A user name, which must exist on the host.
    Name(String),
}

/// A syslog level: 0 (emergency) to 7 (debug).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(u8);

impl LogLevel {
    /// Kuma's default.
    pub const DEBUG: Self = Self(7);

    /// The number, 0 to 7.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

/// The part of a chain's name behind our prefix.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct ChainName(String);

/// LOGIN_NAME_MAX without the NUL at the end (bits/local_lim.h of glibc).
const LONGEST_USER: usize = 255;
/// Our prefix and this many bytes make 28: what every iptables takes (XT_EXTENSION_MAXNAMELEN is 29 with its NUL).
const LONGEST_CHAIN: usize = 18;

impl ChainName {
    pub(super) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// As it was given, without the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(String);

impl VariableName {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Ebpf => "ebpf",
        })
    }
}

impl Spelling for IpFamilyMode {
    /// Any case; empty means dualstack.
    fn read(value: &Value) -> Result<Self, Refusals> {
        let word = if matches!(value, Value::Null) { Some(String::new()) } else { value.word() };
        match word.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("" | "dualstack") => Ok(Self::DualStack),
            Some("ipv4") => Ok(Self::Ipv4),
            _ => value.refuse("`dualstack` or `ipv4`"),
        }
    }

    fn write(&self) -> Value {
        Value::Text(if *self == Self::Ipv4 { "ipv4" } else { "dualstack" }.to_owned())
    }
}

impl Spelling for BackendChoice {
    fn read(value: &Value) -> Result<Self, Refusals> {
        let known = [Self::Auto, Self::IptablesNft, Self::IptablesLegacy, Self::Ebpf];
        let found = value.word().and_then(|word| known.into_iter().find(|choice| choice.to_string() == word));
        found.map_or_else(|| value.refuse("`auto`, `iptables-nft`, `iptables-legacy` or `ebpf`"), Ok)
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl Spelling for Option<SidecarUser> {
    /// Digits are an id; empty means that none was chosen.
    fn read(value: &Value) -> Result<Self, Refusals> {
        const ALLOWED: &str = "a user name or a user id from 0 to 4294967294";
        let word = if matches!(value, Value::Null) { Some(String::new()) } else { value.word() };
        let Some(text) = word else { return value.refuse(ALLOWED) };
        if text.is_empty() {
            return Ok(None);
        }
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || c == ':';
        if text.len() > LONGEST_USER || text.starts_with('-') || text.contains(forbidden) {
            return value.refuse(ALLOWED);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Some(SidecarUser::Name(text)));
        }
        // 2^32-1 is the kernel's "no user" (uid_t)-1.
        let uid = decimal(&text).and_then(|number| u32::try_from(number).ok()).filter(|uid| *uid != u32::MAX);
        uid.map_or_else(|| value.refuse(ALLOWED), |uid| Ok(Some(SidecarUser::Uid(uid))))
    }

    fn write(&self) -> Value {
        Value::Text(match self {
            None => String::new(),
            Some(SidecarUser::Uid(uid)) => uid.to_string(),
            Some(SidecarUser::Name(name)) => name.clone(),
        })
    }
}

impl Spelling for LogLevel {
    fn read(value: &Value) -> Result<Self, Refusals> {
        let level = value.word().and_then(|text| decimal(&text)).and_then(|number| u8::try_from(number).ok());
        let level = level.filter(|level| *level <= Self::DEBUG.0);
        level.map_or_else(|| value.refuse("a level from 0 (emergency) to 7 (debug)"), |level| Ok(Self(level)))
    }

    fn write(&self) -> Value {
        Value::Integer(self.0.into())
    }
}

impl Spelling for ChainName {
    fn read(value: &Value) -> Result<Self, Refusals> {
        let fits = |text: &String| {
            (1..=LONGEST_CHAIN).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        let name = value.word().filter(fits);
        name.map_or_else(
            || value.refuse("a name of 1 to 18 letters, digits, `_` and `-`"),
            |name| Ok(Self(name)),
        )
    }

    fn write(&self) -> Value {
        Value::Text(self.0.clone())
    }
}

impl Spelling for Option<VariableName> {
    /// Empty for none.
    fn read(value: &Value) -> Result<Self, Refusals> {
        let word = if matches!(value, Value::Null) { Some(String::new()) } else { value.word() };
        match word {
            Some(name) if name.is_empty() => Ok(None),
            Some(name) if !name.contains(|c: char| c == '=' || c.is_control()) => {
                Ok(Some(VariableName(name)))
            }
            _ => value.refuse("the name of an environment variable"),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.as_ref().map(|name| name.0.clone()).unwrap_or_default())
    }
}

impl Spelling for Option<IpAddr> {
    /// Empty for none; an IPv4-mapped address is IPv4.
    fn read(value: &Value) -> Result<Self, Refusals> {
        let word = if matches!(value, Value::Null) { Some(String::new()) } else { value.word() };
        match word.map(|text| if text.is_empty() { Ok(None) } else { text.parse::<IpAddr>().map(Some) }) {
            Some(Ok(address)) => Ok(address.map(|address| address.to_canonical())),
            _ => value.refuse("an IP address"),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.map(|address| address.to_string()).unwrap_or_default())
    }
}
