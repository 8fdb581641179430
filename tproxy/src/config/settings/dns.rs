//! Settings of DNS capture and of virtual networks.
//!
//! Must never hold anything but entries of the table.

use super::{BASE, Group, Setting, at};

/// Where each entry begins.
const DNS: Setting = Setting { group: Group::Dns, ..BASE };

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "redirect.dns.enabled",
        flag: Some("redirect-dns"),
        variable: Some("REDIRECT_DNS_ENABLED"),
        help: "Capture DNS queries over UDP to the name servers of /etc/resolv.conf",
        access: at!(dns.enabled),
        ..DNS
    },
    Setting {
        key: "redirect.dns.captureAll",
        flag: Some("redirect-all-dns-traffic"),
        variable: Some("REDIRECT_DNS_CAPTURE_ALL"),
        help: "Capture DNS queries over UDP to any name server; not together with --redirect-dns",
        access: at!(dns.capture_all),
        ..DNS
    },
    Setting {
        key: "redirect.dns.port",
        flag: Some("redirect-dns-port"),
        variable: Some("REDIRECT_DNS_PORT"),
        value_name: "PORT",
        help: "Where the sidecar listens for DNS queries",
        access: at!(dns.port),
        ..DNS
    },
    Setting {
        key: "redirect.dns.skipConntrackZoneSplit",
        flag: Some("skip-dns-conntrack-zone-split"),
        variable: Some("REDIRECT_DNS_SKIP_CONNTRACK_ZONE_SPLIT"),
        help: "Do without conntrack zones between captured queries and those of the sidecar",
        access: at!(dns.skip_conntrack_zone_split),
        ..DNS
    },
    Setting {
        key: "redirect.dns.resolvConfigPath",
        variable: Some("REDIRECT_DNS_RESOLV_CONFIG_PATH"),
        value_name: "PATH",
        access: at!(dns.resolv_config_path),
        ..DNS
    },
    Setting {
        key: "redirect.vnet.networks",
        flag: Some("vnet"),
        variable: Some("REDIRECT_VNET_NETWORKS"),
        value_name: "INTERFACE:NETWORK",
        help: "Capture what virtual machines or containers behind this interface send out of this network, like \
               docker0:172.17.0.0/16 or br+:fd00::/64; repeatable, also for one interface",
        repeats: true,
        access: at!(vnets),
        ..DNS
    },
];
