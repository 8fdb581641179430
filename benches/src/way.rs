//! How measured connections go, where not netsim's own bench measures them.

/// How connections go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Without a sidecar.
    Direct,
    /// The sidecar is called by its own address.
    Straight,
    /// Redirected to it by this backend.
    Redirected(&'static str),
}

pub(super) const WAYS: [Way; 5] = [
    Way::Direct,
    Way::Straight,
    Way::Redirected("iptables-nft"),
    Way::Redirected("iptables-legacy"),
    Way::Redirected("ebpf"),
];

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Straight => "straight",
            Self::Redirected(backend) => backend,
        }
    }
}
