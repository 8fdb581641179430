//! Settings of the capture of arriving connections.
//!
//! Must never hold anything but entries of the table.

use super::{BASE, Group, Setting, at};

/// Where each entry begins.
const INBOUND: Setting = Setting { group: Group::Inbound, ..BASE };

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "redirect.inbound.enabled",
        flag: Some("redirect-inbound"),
        variable: Some("REDIRECT_INBOUND_ENABLED"),
        help: "Capture arriving TCP connections; =false for gateways",
        access: at!(inbound.enabled),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.port",
        flag: Some("redirect-inbound-port"),
        variable: Some("REDIRECT_INBOUND_PORT"),
        value_name: "PORT",
        help: "Where the sidecar listens for arriving connections",
        access: at!(inbound.port),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.includePorts",
        flag: Some("include-inbound-ports"),
        variable: Some("REDIRECT_INBOUND_INCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Capture arriving connections to these ports only, like 80,8000-8999; excluded ports then do not count",
        access: at!(inbound.include_ports),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.excludePorts",
        flag: Some("exclude-inbound-ports"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Do not capture arriving connections to these ports, like 22,8000-8999",
        access: at!(inbound.exclude_ports),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.excludePortsForIPs",
        flag: Some("exclude-inbound-ips"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_IPS"),
        bare_variable: Some("EXCLUDE_PORTS_FOR_IPS"),
        value_name: "NETWORKS",
        help: "Do not capture what arrives from these addresses or networks, whatever the port; repeatable",
        repeats: true,
        access: at!(inbound.exclude_networks),
        ..INBOUND
    },
    // Nobody owns an arriving connection: it is there to be refused. Kuma's bare variable would turn capture off.
    Setting {
        key: "redirect.inbound.excludePortsForUIDs",
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_UIDS"),
        repeats: true,
        access: at!(inbound.exclude_uids),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.excludeInterfaces",
        flag: Some("exclude-inbound-interfaces"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_INTERFACES"),
        value_name: "NAMES",
        help: "Do not capture what arrives on these interfaces, like eth1,wg+; repeatable",
        repeats: true,
        access: at!(inbound.exclude_interfaces),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.insertRedirectInsteadOfAppend",
        flag: Some("redirect-inbound-insert-instead-of-append"),
        variable: Some("REDIRECT_INBOUND_INSERT_REDIRECT_INSTEAD_OF_APPEND"),
        help: "Stand before other programs' rules for arriving connections instead of behind them",
        access: at!(inbound.insert),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.chainName",
        variable: Some("REDIRECT_INBOUND_CHAIN_NAME"),
        access: at!(inbound.chain),
        ..INBOUND
    },
    Setting {
        key: "redirect.inbound.redirectChainName",
        variable: Some("REDIRECT_INBOUND_REDIRECT_CHAIN_NAME"),
        access: at!(inbound.redirect_chain),
        ..INBOUND
    },
];
