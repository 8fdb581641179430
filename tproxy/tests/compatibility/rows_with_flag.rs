//! Table 1.2 of the specification: the flags of `install transparent-proxy`.

use serde_json::{Value as Json, json};
use tproxy::config::{Config, IpFamilyMode, SidecarUser};

use crate::row::{
    Kind, NETWORKS, PORTS, ROW, Row, SWITCH, SWITCH_ON, networks, port, ports, rows, texts, uids,
};

fn user(config: &Config) -> Json {
    match &config.kuma_dp_user {
        None => json!(""),
        Some(SidecarUser::Uid(uid)) => json!(uid.to_string()),
        Some(SidecarUser::Name(name)) => json!(name),
    }
}

fn vnets(config: &Config) -> Json {
    let one = |vnet: &tproxy::config::interface::VirtualNetwork| {
        let interface = vnet.interface.clone();
        vnet.networks.clone().into_iter().map(move |network| format!("{interface}:{network}"))
    };
    texts(&config.vnets.iter().flat_map(one).collect::<Vec<_>>())
}

/// All three programs of IPv4 in one directory, of which one is looked at.
fn programs(directory: &Json) -> Json {
    let base = directory.as_str().unwrap();
    json!(format!("iptables:{base},iptables-save:{base}-save,iptables-restore:{base}-restore"))
}

rows! {
    dry_run: Row {
        key: "dryRun", flag: Some("dry-run"), variable: Some("DRY_RUN"),
        field: |config| json!(config.dry_run), ..SWITCH
    };
    verbose: Row {
        key: "verbose", flag: Some("verbose"), variable: Some("VERBOSE"),
        field: |config| json!(config.verbose), ..SWITCH
    };
    ip_family_mode: Row {
        key: "ipFamilyMode", flag: Some("ip-family-mode"), variable: Some("IP_FAMILY_MODE"),
        bare_variable: Some("IP_FAMILY_MODE"), default: "\"dualstack\"",
        values: ["\"ipv4\"", "\"dualstack\"", "\"ipv4\"", "\"dualstack\""],
        bad: ("ipv6", "`ipv6` is not `dualstack` or `ipv4`"),
        field: |config| json!(if config.ip_family_mode == IpFamilyMode::Ipv4 { "ipv4" } else { "dualstack" }),
        ..ROW
    };
    kuma_dp_user: Row {
        key: "kumaDPUser", flag: Some("kuma-dp-user"), variable: Some("KUMA_DP_USER"),
        // The second name is of table 1.3.
        deprecated_flag: Some("kuma-dp-uid"), bare_variable: Some("KUMA_DP_USER"), default: "\"\"",
        values: ["\"1001\"", "\"envoy\"", "\"1000650000\"", "\"kuma-dp\""],
        bad: ("no body", "`no body` is not a user name or a user id from 0 to 4294967294"),
        field: user, ..ROW
    };
    redirect_inbound: Row {
        key: "redirect.inbound.enabled", flag: Some("redirect-inbound"), variable: Some("REDIRECT_INBOUND_ENABLED"),
        field: |config| json!(config.inbound.enabled), ..SWITCH_ON
    };
    redirect_inbound_port: Row {
        key: "redirect.inbound.port", flag: Some("redirect-inbound-port"), variable: Some("REDIRECT_INBOUND_PORT"),
        default: "15006", values: ["1", "2002", "2003", "65535"],
        bad: ("65536", "`65536` is not a port from 1 to 65535"),
        field: |config| port(config.inbound.port), ..ROW
    };
    exclude_inbound_ports: Row {
        key: "redirect.inbound.excludePorts", flag: Some("exclude-inbound-ports"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS"),
        field: |config| ports(&config.inbound.exclude_ports), ..PORTS
    };
    exclude_inbound_ips: Row {
        key: "redirect.inbound.excludePortsForIPs", flag: Some("exclude-inbound-ips"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_IPS"), bare_variable: Some("EXCLUDE_PORTS_FOR_IPS"),
        field: |config| networks(&config.inbound.exclude_networks), ..NETWORKS
    };
    redirect_outbound_port: Row {
        key: "redirect.outbound.port", flag: Some("redirect-outbound-port"),
        variable: Some("REDIRECT_OUTBOUND_PORT"), default: "15001", values: ["1", "2002", "2003", "65535"],
        bad: ("http", "`http` is not a port from 1 to 65535"),
        field: |config| port(config.outbound.port), ..ROW
    };
    exclude_outbound_ports: Row {
        key: "redirect.outbound.excludePorts", flag: Some("exclude-outbound-ports"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS"),
        field: |config| ports(&config.outbound.exclude_ports), ..PORTS
    };
    exclude_outbound_ips: Row {
        key: "redirect.outbound.excludePortsForIPs", flag: Some("exclude-outbound-ips"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_IPS"), bare_variable: Some("EXCLUDE_PORTS_FOR_IPS"),
        field: |config| networks(&config.outbound.exclude_networks), ..NETWORKS
    };
    exclude_outbound_ports_for_uids: Row {
        key: "redirect.outbound.excludePortsForUIDs", kind: Kind::Array,
        flag: Some("exclude-outbound-ports-for-uids"), variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_UIDS"),
        // Kuma's bare variable is for inbound, too, which it turns off (D6).
        bare_variable: Some("EXCLUDE_PORTS_FOR_UIDS"), default: "[]",
        values: ["[\"1000\"]", "[\"tcp:80:2000\", \"2001-2009\"]", "[\"udp:53:3000\"]", "[\"443:4000\", \"4001\"]"],
        bad: ("a:b:c:d", "`a:b:c:d` is not of the form [[protocols:]ports:]uids, like 1000, 80,443:1000-1999 or udp:53:1000"),
        field: |config| uids(&config.outbound.exclude_uids), ..ROW
    };
    redirect_dns: Row {
        key: "redirect.dns.enabled", flag: Some("redirect-dns"), variable: Some("REDIRECT_DNS_ENABLED"),
        field: |config| json!(config.dns.enabled), ..SWITCH
    };
    redirect_all_dns_traffic: Row {
        key: "redirect.dns.captureAll", flag: Some("redirect-all-dns-traffic"),
        variable: Some("REDIRECT_DNS_CAPTURE_ALL"), field: |config| json!(config.dns.capture_all), ..SWITCH
    };
    redirect_dns_port: Row {
        key: "redirect.dns.port", flag: Some("redirect-dns-port"), variable: Some("REDIRECT_DNS_PORT"),
        default: "15053", values: ["1", "2002", "2003", "65535"],
        bad: ("-1", "`-1` is not a port from 1 to 65535"), field: |config| port(config.dns.port), ..ROW
    };
    skip_dns_conntrack_zone_split: Row {
        key: "redirect.dns.skipConntrackZoneSplit", flag: Some("skip-dns-conntrack-zone-split"),
        variable: Some("REDIRECT_DNS_SKIP_CONNTRACK_ZONE_SPLIT"),
        field: |config| json!(config.dns.skip_conntrack_zone_split), ..SWITCH
    };
    vnet: Row {
        key: "redirect.vnet.networks", kind: Kind::Array, flag: Some("vnet"),
        variable: Some("REDIRECT_VNET_NETWORKS"), default: "[]",
        values: ["[\"br0:10.1.0.0/16\"]", "[\"docker0:172.17.0.0/16\", \"br+:fd00::/64\"]", "[\"br3:10.3.0.0/16\"]",
                 "[\"br4:10.4.0.0/16\", \"br4:10.5.0.0/16\"]"],
        bad: ("docker0", "`docker0` has no network: write interface:network, like docker0:172.17.0.0/16"),
        field: vnets, ..ROW
    };
    drop_invalid_packets: Row {
        key: "dropInvalidPackets", flag: Some("drop-invalid-packets"), variable: Some("DROP_INVALID_PACKETS"),
        field: |config| json!(config.drop_invalid_packets), ..SWITCH
    };
    iptables_logs: Row {
        key: "log.enabled", flag: Some("iptables-logs"), variable: Some("LOG_ENABLED"),
        field: |config| json!(config.rules.log), ..SWITCH
    };
    disable_comments: Row {
        key: "comments.disabled", flag: Some("disable-comments"), variable: Some("COMMENTS_DISABLED"),
        field: |config| json!(config.rules.without_comments), ..SWITCH
    };
    redirect_inbound_insert_instead_of_append: Row {
        key: "redirect.inbound.insertRedirectInsteadOfAppend",
        flag: Some("redirect-inbound-insert-instead-of-append"),
        variable: Some("REDIRECT_INBOUND_INSERT_REDIRECT_INSTEAD_OF_APPEND"),
        field: |config| json!(config.inbound.insert), ..SWITCH
    };
    redirect_outbound_insert_instead_of_append: Row {
        key: "redirect.outbound.insertRedirectInsteadOfAppend",
        flag: Some("redirect-outbound-insert-instead-of-append"),
        variable: Some("REDIRECT_OUTBOUND_INSERT_REDIRECT_INSTEAD_OF_APPEND"),
        field: |config| json!(config.outbound.insert), ..SWITCH
    };
    /// `iptablesExecutables.*` written as one text; the keys below it are rows of 2.1.
    iptables_executables: Row {
        key: "iptablesExecutables", flag: Some("iptables-executables"), variable: Some("IPTABLES_EXECUTABLES"),
        bare_variable: Some("IPTABLES_EXECUTABLES"), values: ["\"/1\"", "\"/2\"", "\"/3\"", "\"/4\""],
        bad: ("ebtables:/a", "`ebtables` is not one of iptables, iptables-save, iptables-restore, ip6tables, \
                              ip6tables-save, ip6tables-restore"),
        spelt: programs, field: |config| json!(config.iptables_executables.ipv4.base.as_ref().map(ToString::to_string)),
        ..ROW
    };
    wait: Row {
        key: "wait", flag: Some("wait"), variable: Some("WAIT"), default: "5", values: ["0", "2", "3", "4294967295"],
        bad: ("1s", "`1s` is not a whole number from 0 to 4294967295"),
        field: |config| json!(config.loading.wait), ..ROW
    };
    wait_interval: Row {
        key: "waitInterval", flag: Some("wait-interval"), variable: Some("WAIT_INTERVAL"), default: "0",
        values: ["1", "2", "3", "4"], bad: ("-1", "`-1` is not a whole number from 0 to 4294967295"),
        field: |config| json!(config.loading.wait_interval), ..ROW
    };
    max_retries: Row {
        key: "retry.maxRetries", flag: Some("max-retries"), variable: Some("RETRY_MAX_RETRIES"), default: "4",
        values: ["0", "2", "3", "7"], bad: ("many", "`many` is not a whole number from 0 to 4294967295"),
        field: |config| json!(config.loading.max_retries), ..ROW
    };
    sleep_between_retries: Row {
        key: "retry.sleepBetweenRetries", flag: Some("sleep-between-retries"),
        variable: Some("RETRY_SLEEP_BETWEEN_RETRIES"), default: "\"2s\"",
        values: ["\"1s\"", "\"500ms\"", "\"3s\"", "\"90s\""],
        bad: ("soon", "`soon` is not a duration like 2s, 500ms or 1m30s"),
        field: |config| json!(format!("{:?}", config.loading.sleep_between_retries)), ..ROW
    };
    store_firewalld: Row {
        key: "storeFirewalld", flag: Some("store-firewalld"), variable: Some("STORE_FIREWALLD"),
        field: |config| json!(config.store_firewalld), ..SWITCH
    };
}
