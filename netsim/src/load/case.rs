//! The cases of a bench: plain data, with stable names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::name;
use crate::actor::Kind;

/// The usual size of packets of a link.
pub(super) const USUAL_MTU: u32 = 1500;
/// The largest there is, as on `lo`: what a link between two pods of one machine can have.
pub(super) const LARGEST_MTU: u32 = 65_535;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// What is done.
    pub load: Load,
    /// Whose traffic it is.
    pub direction: Direction,
    /// How it goes.
    pub way: Way,
    /// How many clients work side by side.
    pub clients: usize,
    /// How many networks, none of them the peer's, are excluded.
    pub exclusions: usize,
    /// The largest packet that the link carries, in bytes.
    pub mtu: u32,
    /// The family of all addresses.
    pub family: IpFamily,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Connections, each until its first answer.
    Connections,
    /// 64 bytes there and back, on a connection that is kept.
    RoundTrips,
    /// A MiB there and back, on a connection that is kept.
    Bulk,
    /// DNS queries.
    Queries,
}

/// Whose traffic it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The pod's application calls the peer.
    Outbound,
    /// The peer calls the pod's application.
    Inbound,
    /// The pod's application calls the peer's, and both have a sidecar.
    Whole,
}

/// How traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Without a sidecar, and nothing is installed.
    Direct,
    /// To the sidecar, which is called by its own address; nothing is installed.
    Straight,
    /// To the sidecar, since tproxy has it redirected.
    Captured(BackendId),
    /// From the sidecar, which passes.
    Own(BackendId),
}

/// Every backend, as cases know them.
pub const BACKENDS: [BackendId; 3] = [BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf];

impl Load {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connections, Self::RoundTrips, Self::Bulk, Self::Queries];

    /// How many clients it has unless the case says otherwise.
    pub(super) fn usual_clients(self) -> usize {
        match self {
            Self::Connections | Self::Queries => 4,
            Self::RoundTrips | Self::Bulk => 1,
        }
    }

    /// What a client does.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Connections => Kind::Connections,
            Self::RoundTrips => Kind::RoundTrips,
            Self::Bulk => Kind::Bulk,
            Self::Queries => Kind::Queries,
        }
    }

    /// What one piece of it is called.
    #[must_use]
    pub fn piece(self) -> &'static str {
        match self {
            Self::Connections => "connection",
            Self::RoundTrips => "round trip",
            Self::Bulk => "MiB",
            Self::Queries => "query",
        }
    }
}

impl Case {
    /// A case with nothing unusual.
    #[must_use]
    pub fn new(load: Load, direction: Direction, way: Way) -> Self {
        Self {
            load,
            direction,
            way,
            clients: load.usual_clients(),
            exclusions: 0,
            mtu: USUAL_MTU,
            family: IpFamily::V4,
        }
    }

    /// The case of a name.
    ///
    /// # Errors
    /// There is none, with how names are made.
    pub fn parse(name: &str) -> Result<Self, String> {
        name::parse(name)
    }

    /// The backend that it needs.
    #[must_use]
    pub fn backend(self) -> Option<BackendId> {
        match self.way {
            Way::Direct | Way::Straight => None,
            Way::Captured(backend) | Way::Own(backend) => Some(backend),
        }
    }

    /// The sidecar's work in the same case without any redirection, which others are compared with.
    #[must_use]
    pub fn straight(self) -> Self {
        Self { way: Way::Straight, exclusions: 0, ..self }
    }

    /// The case with one thing less, whose cost is that thing's.
    #[must_use]
    pub fn baseline(self) -> Option<Self> {
        match self.way {
            _ if self.exclusions > 0 => Some(Self { exclusions: 0, ..self }),
            Way::Direct => None,
            Way::Straight | Way::Own(_) => Some(Self { way: Way::Direct, ..self }),
            Way::Captured(_) => Some(self.straight()),
        }
    }

    /// Why there is no such case.
    pub(super) fn impossible(self) -> Option<&'static str> {
        let is_own = matches!(self.way, Way::Own(_));
        let is_outbound = self.direction == Direction::Outbound;
        if self.load == Load::Queries && !is_outbound {
            return Some("queries go out");
        }
        if is_own && (!is_outbound || self.load == Load::Queries) {
            return Some("what the sidecar sends goes out, and is no query");
        }
        if self.exclusions > 0 && (self.backend().is_none() || !is_outbound || self.load == Load::Queries) {
            return Some("exclusions are of connections that leave, and need a backend");
        }
        None
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&name::of(*self))
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Case {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}
