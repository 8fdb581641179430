//! Settings of the capture of connections that local processes open.
//!
//! Must never hold anything but entries of the table.

use super::{BASE, Group, Setting, at};

/// Where each entry begins.
const OUTBOUND: Setting = Setting { group: Group::Outbound, ..BASE };

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "redirect.outbound.enabled",
        variable: Some("REDIRECT_OUTBOUND_ENABLED"),
        access: at!(outbound.enabled),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.port",
        flag: Some("redirect-outbound-port"),
        variable: Some("REDIRECT_OUTBOUND_PORT"),
        value_name: "PORT",
        help: "Where the sidecar listens for outgoing connections",
        access: at!(outbound.port),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.includePorts",
        flag: Some("include-outbound-ports"),
        variable: Some("REDIRECT_OUTBOUND_INCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Capture outgoing connections to these ports only, like 80,8000-8999; excluded ports then do not count",
        access: at!(outbound.include_ports),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.excludePorts",
        flag: Some("exclude-outbound-ports"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Do not capture outgoing connections to these ports, like 22,8000-8999",
        access: at!(outbound.exclude_ports),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.excludePortsForIPs",
        flag: Some("exclude-outbound-ips"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_IPS"),
        bare_variable: Some("EXCLUDE_PORTS_FOR_IPS"),
        value_name: "NETWORKS",
        help: "Do not capture what is sent to these addresses or networks, whatever protocol and port; repeatable",
        repeats: true,
        access: at!(outbound.exclude_networks),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.excludePortsForUIDs",
        flag: Some("exclude-outbound-ports-for-uids"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_UIDS"),
        bare_variable: Some("EXCLUDE_PORTS_FOR_UIDS"),
        value_name: "[[PROTOCOLS:]PORTS:]UIDS",
        help: "Do not capture what these users send, like 1000, tcp:80,443:1000-1999 or udp:53:0; repeatable",
        repeats: true,
        access: at!(outbound.exclude_uids),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.excludeGIDs",
        flag: Some("exclude-outbound-gids"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_GIDS"),
        value_name: "GIDS",
        help: "Do not capture what these groups send, like 1000,2000-2999; repeatable",
        repeats: true,
        access: at!(outbound.exclude_gids),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.excludeInterfaces",
        flag: Some("exclude-outbound-interfaces"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_INTERFACES"),
        value_name: "NAMES",
        help: "Do not capture what leaves through these interfaces, like eth1,wg+; repeatable",
        repeats: true,
        access: at!(outbound.exclude_interfaces),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.insertRedirectInsteadOfAppend",
        flag: Some("redirect-outbound-insert-instead-of-append"),
        variable: Some("REDIRECT_OUTBOUND_INSERT_REDIRECT_INSTEAD_OF_APPEND"),
        help: "Stand before other programs' rules for outgoing connections instead of behind them",
        access: at!(outbound.insert),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.chainName",
        variable: Some("REDIRECT_OUTBOUND_CHAIN_NAME"),
        access: at!(outbound.chain),
        ..OUTBOUND
    },
    Setting {
        key: "redirect.outbound.redirectChainName",
        variable: Some("REDIRECT_OUTBOUND_REDIRECT_CHAIN_NAME"),
        access: at!(outbound.redirect_chain),
        ..OUTBOUND
    },
];
