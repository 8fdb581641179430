//! Flags that older versions of kumactl had, and what to write instead.
//!
//! Must never hold a flag that still works: those are in the settings table.

/// Name and advice.
pub(super) const REMOVED: [(&str, &str); 7] = [
    (
        "redirect-inbound-port-v6",
        "both families share --redirect-inbound-port; --ip-family-mode ipv4 turns IPv6 off",
    ),
    (
        "redirect-inbound-port-ipv6",
        "both families share --redirect-inbound-port; --ip-family-mode ipv4 turns IPv6 off",
    ),
    ("exclude-outbound-tcp-ports-for-uids", "use --exclude-outbound-ports-for-uids tcp:PORTS:UIDS"),
    ("exclude-outbound-udp-ports-for-uids", "use --exclude-outbound-ports-for-uids udp:PORTS:UIDS"),
    (
        "experimental-transparent-proxy-engine",
        "leave it out: there is one engine; --backend chooses what captures",
    ),
    ("skip-resolv-conf", "leave it out: /etc/resolv.conf is never changed"),
    (
        "kuma-cp-ip",
        "leave it out; --exclude-outbound-ips keeps the control plane's address from being captured",
    ),
];

/// What to write instead of a flag that was removed.
pub(super) fn advice(flag: &str) -> &'static str {
    REMOVED.iter().find(|(name, _)| *name == flag).map_or("leave it out", |(_, advice)| advice)
}
