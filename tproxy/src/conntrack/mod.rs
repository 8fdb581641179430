//! Entries of connection tracking: what they say of a flow, and which ones a policy contradicts.
//!
//! NAT rules see the first packet of a flow only; the verdict lives on in its entry. For a UDP flow that is as long as
//! somebody uses it. Pure: must never ask the kernel.

mod open;
mod stale;
mod wire;

use std::net::SocketAddr;

use crate::family::IpFamily;
use crate::plan::flow::Protocol;

pub use open::is_open;
pub use stale::{Socket, Wanted, is_query, is_stale};
pub use wire::{Message, all, delete, entry};

/// What conntrack knows of one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Transport protocol; entries of others are passed over.
    pub protocol: Protocol,
    /// Conntrack zone; 0 is the usual one.
    pub zone: u16,
    /// The flow as its first packet was sent.
    pub original: Tuple,
    /// The packets of the other direction, before NAT is taken back.
    pub reply: Tuple,
    /// Whether the destination was changed.
    pub destination_nat: bool,
    /// The state of a TCP connection (enum tcp_conntrack of linux/netfilter/nf_conntrack_tcp.h).
    pub tcp_state: Option<u8>,
    /// The attributes by which the kernel finds this entry and no later one of the same flow.
    key: Vec<u8>,
}

/// Both ends of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// Where its packets come from.
    pub source: SocketAddr,
    /// Where they go.
    pub destination: SocketAddr,
}

impl Entry {
    /// The family of the flow.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        IpFamily::of(self.original.destination.ip())
    }

    /// The port that the flow was redirected to: who answers is not who was called.
    #[must_use]
    pub fn redirected_to(&self) -> Option<u16> {
        let elsewhere = self.destination_nat && self.reply.source != self.original.destination;
        elsewhere.then(|| self.reply.source.port())
    }
}
