//! TCP and UDP ports as users write them: one, a range, a list.
//!
//! Must never do I/O.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU16;

use serde::Serialize;

/// A port that something listens on: 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Port(NonZeroU16);

impl Port {
    /// Kuma's inbound port.
    pub const INBOUND: Self = Self::constant(15006);
    /// Kuma's outbound port.
    pub const OUTBOUND: Self = Self::constant(15001);

    const fn constant(number: u16) -> Self {
        match NonZeroU16::new(number) {
            Some(port) => Self(port),
            None => Self(NonZeroU16::MIN),
        }
    }

    /// `None` for port 0, which nothing can listen on.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    /// The number, in host byte order.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Ports of a list, in the order given. Empty means that the list was not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ports(Vec<Port>);

impl Ports {
    /// Keeps order, drops repetitions: a repeated port would only make a repeated rule.
    #[must_use]
    pub fn from_ports(ports: impl IntoIterator<Item = Port>) -> Self {
        let mut seen = BTreeSet::new();
        Self(ports.into_iter().filter(|port| seen.insert(*port)).collect())
    }

    /// Whether no port is in the list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is in the list.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|listed| listed.get() == port)
    }

    /// The ports in the order given.
    pub fn iter(&self) -> impl Iterator<Item = Port> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, port) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            port.fmt(f)?;
        }
        Ok(())
    }
}
