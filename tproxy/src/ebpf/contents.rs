//! What lies in the maps for one network namespace, as bytes.
//!
//! Pure. The layout of keys and values is that of `tproxy/bpf/layout.h`. Must never know what the bytes mean: that is
//! `layout`.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A map that an installation has entries in, all of which carry its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Sets of ports.
    Ports,
    /// Excluded users, with the ports for which they are.
    Users,
    /// Excluded groups.
    Groups,
    /// Excluded destinations and sources.
    Networks,
    /// Own addresses, and name servers.
    Addresses,
    /// From which address this host speaks to a network.
    Sources,
    /// What is said of interfaces that traffic arrives by.
    Interfaces,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Ports,
        Self::Users,
        Self::Groups,
        Self::Networks,
        Self::Addresses,
        Self::Sources,
        Self::Interfaces,
    ];

    /// Its name in the kernel.
    #[must_use]
    pub fn map(self) -> &'static str {
        match self {
            Self::Ports => "tproxy_ports",
            Self::Users => "tproxy_users",
            Self::Groups => "tproxy_groups",
            Self::Networks => "tproxy_networks",
            Self::Addresses => "tproxy_address",
            Self::Sources => "tproxy_sources",
            Self::Interfaces => "tproxy_interface",
        }
    }

    /// How long its keys and values are.
    #[must_use]
    pub fn sizes(self) -> (usize, usize) {
        match self {
            Self::Ports => (8, 64),
            Self::Users => (12, 4),
            Self::Groups => (12, 1),
            Self::Networks => (28, 1),
            Self::Addresses => (24, 1),
            Self::Sources => (28, 16),
            Self::Interfaces => (8, 40),
        }
    }

    /// Where in a key the generation is: behind the length of the prefix, where there is one.
    #[must_use]
    pub fn generation_at(self) -> std::ops::Range<usize> {
        match self {
            Self::Ports | Self::Addresses | Self::Interfaces => 0..4,
            Self::Users | Self::Groups | Self::Networks | Self::Sources => 4..8,
        }
    }
}

/// What the programs look at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Digest of the plan.
    pub digest: u64,
    /// What is on, as `enum flag` of the programs has it.
    pub flags: u32,
    /// User id of the sidecar.
    pub sidecar: u32,
    /// Port for arriving connections; 0 for none.
    pub inbound: u16,
    /// Port for leaving connections.
    pub outbound: u16,
    /// Port for queries; 0 for none.
    pub dns: u16,
}

/// All that lies in the maps for one network namespace. Keys are without generation: there it is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// What the programs look at first.
    pub instance: Instance,
    /// The rest, by map.
    pub entries: BTreeMap<Table, BTreeMap<Hex, Hex>>,
}

/// Bytes, written as text where they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex(pub Vec<u8>);

impl Contents {
    /// Nothing but what the programs look at first.
    #[must_use]
    pub fn of(instance: Instance) -> Self {
        Self { instance, entries: BTreeMap::new() }
    }

    /// Adds an entry.
    pub fn insert(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.entries.entry(table).or_default().insert(Hex(key), Hex(value));
    }

    /// A digest of everything but the plan's own, so that a change of any entry shows. It is never 0.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = fnv::FnvHasher::default();
        let Instance { digest: _, flags, sidecar, inbound, outbound, dns } = self.instance;
        hasher.write_u32(flags);
        hasher.write_u32(sidecar);
        for port in [inbound, outbound, dns] {
            hasher.write_u16(port);
        }
        for (table, entries) in self.entries.iter().filter(|(_, entries)| !entries.is_empty()) {
            hasher.write(table.map().as_bytes());
            for (key, value) in entries {
                hasher.write(&key.0);
                hasher.write(&value.0);
            }
        }
        hasher.finish().max(1)
    }

    /// How many entries there are beside the first.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.values().map(BTreeMap::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Contents {
    /// As a dry run shows it: how many entries of each kind, and what is on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance { digest, flags, sidecar, inbound, outbound, dns } = self.instance;
        write!(
            f,
            "digest {digest:016x} flags {flags:#x} sidecar {sidecar} inbound {inbound} outbound {outbound} dns {dns}"
        )?;
        for (table, entries) in &self.entries {
            for (key, value) in entries {
                write!(f, "\n{} {key} {value}", table.map())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.as_bytes().chunks(2);
        let byte = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2);
            digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
        };
        let bytes: Option<Vec<u8>> = digits.map(byte).collect();
        bytes.map(Self).ok_or_else(|| D::Error::custom("no bytes in hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_survive_the_journal_and_any_change_shows_in_the_digest() {
        let instance =
            Instance { digest: 7, flags: 3, sidecar: 5678, inbound: 15006, outbound: 15001, dns: 0 };
        let mut contents = Contents::of(instance);
        let bare = contents.digest();
        contents.insert(Table::Groups, vec![0; 12], vec![1]);
        assert_ne!(contents.digest(), bare);
        let text = serde_json::to_string(&contents).unwrap();
        let read: Contents = serde_json::from_str(&text).unwrap();
        assert_eq!((&read, read.digest()), (&contents, contents.digest()));
        assert!(
            serde_json::from_str::<Hex>("\"0g\"").is_err() && serde_json::from_str::<Hex>("\"0\"").is_err()
        );
    }
}
