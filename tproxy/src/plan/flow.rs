//! The words of the policy: a flow, what decides about it, and the verdict.
//!
//! Pure. Must never hold more of a packet than the policy looks at.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::config::ports::Port;
use crate::family::IpFamily;

/// Which way a flow crosses the host's border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Arriving from another host, namespace, virtual machine or container.
    Inbound,
    /// Sent by a local process.
    Outbound,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What connection tracking says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConntrackState {
    /// The first packet of a connection.
    #[default]
    New,
    /// A packet that belongs to no connection.
    Invalid,
}

/// The first packet of a connection, or one datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Sent or arriving.
    pub direction: Direction,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Source address, where it is known; an outgoing connection rarely chooses one.
    pub source: Option<IpAddr>,
    /// Where the sender wants to go.
    pub destination: SocketAddr,
    /// User that owns the socket; `None` for arriving flows and for packets without a socket.
    pub uid: Option<u32>,
    /// Group that owns the socket.
    pub gid: Option<u32>,
    /// The interface by which it arrives or leaves, where it is known. What goes to an address of the host leaves through
    /// loopback whatever this says.
    pub interface: Option<String>,
    /// What connection tracking says.
    pub conntrack: ConntrackState,
}

impl Flow {
    /// The port of name servers (RFC 1035).
    pub(super) const DNS: u16 = 53;

    /// A new outgoing TCP connection of user `uid`.
    #[must_use]
    pub fn outbound(destination: SocketAddr, uid: u32) -> Self {
        Self { uid: Some(uid), ..Self::new(Direction::Outbound, destination) }
    }

    /// A new TCP connection that arrives for `destination`.
    #[must_use]
    pub fn inbound(destination: SocketAddr, source: IpAddr) -> Self {
        Self { source: Some(source), ..Self::new(Direction::Inbound, destination) }
    }

    /// A new TCP connection of which nothing else is known.
    #[must_use]
    pub fn new(direction: Direction, destination: SocketAddr) -> Self {
        Self {
            direction,
            protocol: Protocol::Tcp,
            source: None,
            destination,
            uid: None,
            gid: None,
            interface: None,
            conntrack: ConntrackState::New,
        }
    }

    /// The flow as its packets look: IPv4-mapped addresses are IPv4, and connecting to the unspecified address means
    /// localhost.
    #[must_use]
    pub fn as_sent(&self) -> Self {
        let mut flow = self.clone();
        flow.source = flow.source.map(|source| source.to_canonical());
        let mut address = flow.destination.ip().to_canonical();
        if address.is_unspecified() {
            address = IpFamily::of(address).localhost();
        }
        flow.destination.set_ip(address);
        flow
    }

    /// Whether it is a DNS query as the DNS port takes it: a datagram to port 53.
    pub(super) fn is_query(&self) -> bool {
        self.protocol == Protocol::Udp && self.destination.port() == Self::DNS
    }

    /// The family in which the packets travel.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        IpFamily::of(self.destination.ip())
    }
}

/// What happens to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Delivered to this port of the sidecar.
    Redirect(Port),
    /// Goes where it was going.
    Pass,
    /// Discarded.
    Drop,
    /// The call itself is refused.
    Refuse,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redirect(port) => write!(f, "redirect to port {port}"),
            Self::Pass => f.write_str("pass"),
            Self::Drop => f.write_str("drop"),
            Self::Refuse => f.write_str("refuse"),
        }
    }
}
