//! The lines of the policy table and their stable names.
//!
//! Names are part of the interface: explain, counters, rule comments, mutants and reports use them. Must never change a
//! name; a new line gets a new one.

use std::fmt;

use serde::{Serialize, Serializer};

/// The line of the policy that decided about a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// The family of the flow is not captured at all.
    OutboundFamilyOff,
    /// The sidecar calls a listener of its own by an address of this host; eBPF only.
    OutboundSidecarToListener,
    /// Every given part of an exclusion matches.
    OutboundExclusion,
    /// Leaves through an excluded interface.
    OutboundExcludedInterface,
    /// A DNS query of the sidecar itself.
    OutboundDnsFromSidecar,
    /// A DNS query to capture.
    OutboundDns,
    /// Not TCP.
    OutboundNotTcp,
    /// DNS over TCP, which the sidecar's DNS port does not speak.
    OutboundDnsOverTcp,
    /// Outbound capture is off.
    OutboundOff,
    /// The destination port is excluded.
    OutboundExcludedPort,
    /// The sidecar calls its own application from the passthrough source.
    OutboundPassthroughSource,
    /// The sidecar calls an address of this host.
    OutboundSidecarToSelf,
    /// Anyone else calls an address of this host.
    OutboundAppToSelf,
    /// The sidecar's own traffic.
    OutboundSidecar,
    /// To 127.0.0.1 or ::1. Both leave through loopback, where the lines above decide; rules have this line for packets
    /// that are made to leave otherwise.
    OutboundLocalhost,
    /// Not among the included ports.
    OutboundNotIncludedPort,
    /// Captured.
    OutboundCaptured,
    /// The family of the flow is not captured at all.
    InboundFamilyOff,
    /// Conntrack calls the packet invalid.
    InboundInvalid,
    /// DNS from a virtual network.
    InboundVnetDns,
    /// TCP that leaves a virtual network.
    InboundVnetTcp,
    /// Not TCP.
    InboundNotTcp,
    /// Inbound capture is off.
    InboundOff,
    /// Arrives on another interface than the one that is captured; eBPF only.
    InboundOtherInterface,
    /// Arrives on an excluded interface.
    InboundExcludedInterface,
    /// The source address is excluded.
    InboundExcludedSource,
    /// Among the included ports.
    InboundIncludedPort,
    /// Not among the included ports.
    InboundNotIncludedPort,
    /// The destination port is excluded.
    InboundExcludedPort,
    /// Not for an address of this host.
    InboundForwarded,
    /// Captured.
    InboundCaptured,
}

impl Line {
    /// `direction/what`, the stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutboundFamilyOff => "outbound/family-off",
            Self::OutboundSidecarToListener => "outbound/sidecar-to-listener",
            Self::OutboundExclusion => "outbound/exclusion",
            Self::OutboundExcludedInterface => "outbound/excluded-interface",
            Self::OutboundDnsFromSidecar => "outbound/dns-from-sidecar",
            Self::OutboundDns => "outbound/dns",
            Self::OutboundNotTcp => "outbound/not-tcp",
            Self::OutboundDnsOverTcp => "outbound/dns-over-tcp",
            Self::OutboundOff => "outbound/off",
            Self::OutboundExcludedPort => "outbound/excluded-port",
            Self::OutboundPassthroughSource => "outbound/passthrough-source",
            Self::OutboundSidecarToSelf => "outbound/sidecar-to-self",
            Self::OutboundAppToSelf => "outbound/app-to-self",
            Self::OutboundSidecar => "outbound/sidecar",
            Self::OutboundLocalhost => "outbound/localhost",
            Self::OutboundNotIncludedPort => "outbound/not-included-port",
            Self::OutboundCaptured => "outbound/captured",
            Self::InboundFamilyOff => "inbound/family-off",
            Self::InboundInvalid => "inbound/invalid",
            Self::InboundVnetDns => "inbound/vnet-dns",
            Self::InboundVnetTcp => "inbound/vnet-tcp",
            Self::InboundNotTcp => "inbound/not-tcp",
            Self::InboundOff => "inbound/off",
            Self::InboundOtherInterface => "inbound/other-interface",
            Self::InboundExcludedInterface => "inbound/excluded-interface",
            Self::InboundExcludedSource => "inbound/excluded-source",
            Self::InboundIncludedPort => "inbound/included-port",
            Self::InboundNotIncludedPort => "inbound/not-included-port",
            Self::InboundExcludedPort => "inbound/excluded-port",
            Self::InboundForwarded => "inbound/forwarded",
            Self::InboundCaptured => "inbound/captured",
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
