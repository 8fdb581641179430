//! TCP and UDP ports as users write them: one, a range, a list.
//!
//! Must never do I/O.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::value::{Allowed, Refusal, Refusals, Spelling, Value, decimal};

/// A port that something listens on: 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Port(NonZeroU16);

impl Port {
    /// Kuma's inbound port.
    pub const INBOUND: Self = Self::constant(15006);
    /// Kuma's outbound port.
    pub const OUTBOUND: Self = Self::constant(15001);
    /// Kuma's DNS port.
    pub const DNS: Self = Self::constant(15053);

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

impl Spelling for Option<Port> {
    /// Port 0 stands for none, which only a direction that is off may have (control planes write it so).
    fn read(value: &Value) -> Result<Self, Refusals> {
        let number =
            value.word().and_then(|text| decimal(&text)).and_then(|number| u16::try_from(number).ok());
        number.map_or_else(|| value.refuse("a port from 1 to 65535"), |number| Ok(Port::new(number)))
    }

    fn write(&self) -> Value {
        Value::Integer(self.map_or(0, Port::get).into())
    }
}

/// Ports from a first to a last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The lowest.
    pub first: Port,
    /// The highest.
    pub last: Port,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// A set of ports, kept as ascending ranges with a gap between each, so that equal sets are equal however they were
/// written. Empty means that the list was not used. A copy is the same piece of memory: there may be 100,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(Arc<[PortRange]>);

impl Ports {
    /// The set of these ports.
    #[must_use]
    pub fn from_ports(ports: impl IntoIterator<Item = Port>) -> Self {
        Self::from_ranges(ports.into_iter().map(|port| PortRange { first: port, last: port }))
    }

    /// The set of the ports in these ranges.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = PortRange>) -> Self {
        let mut ranges: Vec<PortRange> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut merged: Vec<PortRange> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(before) if range.first.get() <= before.last.get().saturating_add(1) => {
                    before.last = before.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self(merged.into())
    }

    /// Whether no port is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is in the set.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.range_of(port).is_some()
    }

    /// The range that `port` is in.
    #[must_use]
    pub fn range_of(&self, port: u16) -> Option<PortRange> {
        let above = self.0.partition_point(|range| range.first.get() <= port);
        self.0.get(above.checked_sub(1)?).copied().filter(|range| port <= range.last.get())
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = PortRange> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Spelling for Ports {
    /// Ports and ranges separated by commas, a number, or a list of both.
    fn read(value: &Value) -> Result<Self, Refusals> {
        const LIST: &str =
            "a list of ports: numbers from 1 to 65535 and ranges like 8000-8999, separated by commas";
        if matches!(value, Value::Null) {
            return value.refuse(LIST);
        }
        value.each_part(Allowed { list: LIST, item: ONE }, range).map(Self::from_ranges)
    }

    fn write(&self) -> Value {
        let item = |range: PortRange| match range.first == range.last {
            true => Value::Integer(range.first.get().into()),
            false => Value::Text(range.to_string()),
        };
        Value::List(self.ranges().map(item).collect())
    }
}

const ONE: &str = "a port from 1 to 65535, or a range of them like 8000-8999";

/// `80` or `8000-8999`.
pub(super) fn range(text: &str) -> Result<PortRange, Refusal> {
    let port = |text: &str| decimal(text).and_then(|number| u16::try_from(number).ok()).and_then(Port::new);
    let refused = || Refusal::of(text, ONE);
    match text.split_once('-') {
        None => port(text).map(|port| PortRange { first: port, last: port }).ok_or_else(refused),
        Some((first, last)) => {
            let (first, last) = port(first.trim()).zip(port(last.trim())).ok_or_else(refused)?;
            if last < first {
                let turned = format_args!("is reversed: the lower port comes first, as in {last}-{first}");
                return Err(Refusal::about(text, turned));
            }
            Ok(PortRange { first, last })
        }
    }
}
