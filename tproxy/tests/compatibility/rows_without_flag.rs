//! The second table of 1.2, settings with no flag in Kuma, and the keys of 2.1 that no other table names.
//!
//! Where this program gives one of them a flag it is an extension, and said so.

use serde_json::json;
use tproxy::config::{AbsolutePath, Config};

use crate::row::{Kind, PORTS, ROW, Row, SWITCH, SWITCH_ON, ports, rows, uids};

fn path(path: Option<&AbsolutePath>) -> serde_json::Value {
    json!(path.map_or_else(String::new, ToString::to_string))
}

/// One program by its own key, with the others of its family beside it.
const PROGRAM: Row = Row {
    default: "\"\"",
    values: ["\"/1/x\"", "\"/2/x\"", "\"/3/x\"", "\"/4/x\""],
    bad: ("bin/x", "`bin/x` is not an absolute path to a program"),
    beside: "iptablesExecutables: {iptables: /o, iptables-save: /o, iptables-restore: /o, \
             ip6tables: /o, ip6tables-save: /o, ip6tables-restore: /o}",
    ..ROW
};

/// A chain's name.
const CHAIN: Row = Row {
    values: ["\"A\"", "\"B_1\"", "\"C-2\"", "\"LONGEST_OF_18_CHAR\""],
    bad: ("A B", "`A B` is not a name of 1 to 18 letters, digits, `_` and `-`"),
    ..ROW
};

rows! {
    /// The flag is an extension.
    redirect_inbound_include_ports: Row {
        key: "redirect.inbound.includePorts", flag: Some("include-inbound-ports"),
        variable: Some("REDIRECT_INBOUND_INCLUDE_PORTS"),
        field: |config| ports(&config.inbound.include_ports), ..PORTS
    };
    /// The flag is an extension.
    redirect_outbound_include_ports: Row {
        key: "redirect.outbound.includePorts", flag: Some("include-outbound-ports"),
        variable: Some("REDIRECT_OUTBOUND_INCLUDE_PORTS"),
        field: |config| ports(&config.outbound.include_ports), ..PORTS
    };
    redirect_outbound_enabled: Row {
        key: "redirect.outbound.enabled", variable: Some("REDIRECT_OUTBOUND_ENABLED"),
        field: |config| json!(config.outbound.enabled), ..SWITCH_ON
    };
    /// Only an empty list is taken: Kuma's rule for it turns inbound capture off (D6), so its bare variable is not read.
    redirect_inbound_exclude_ports_for_uids: Row {
        key: "redirect.inbound.excludePortsForUIDs", kind: Kind::Array,
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_UIDS"), default: "[]", values: ["[]"; 4],
        bad: ("a:b:c:d", "`a:b:c:d` is not of the form [[protocols:]ports:]uids, like 1000, 80,443:1000-1999 or udp:53:1000"),
        field: |config| uids(&config.inbound.exclude_uids), ..ROW
    };
    redirect_dns_resolv_config_path: Row {
        key: "redirect.dns.resolvConfigPath", variable: Some("REDIRECT_DNS_RESOLV_CONFIG_PATH"),
        default: "\"/etc/resolv.conf\"", values: ["\"/1\"", "\"/run/2/resolv.conf\"", "\"/3\"", "\"/4\""],
        bad: ("resolv.conf", "`resolv.conf` is not an absolute path"),
        field: |config| path(Some(&config.dns.resolv_config_path)), ..ROW
    };
    log_level: Row {
        key: "log.level", variable: Some("LOG_LEVEL"), default: "7", values: ["0", "4", "5", "6"],
        bad: ("8", "`8` is not a level from 0 (emergency) to 7 (debug)"),
        field: |config| json!(config.rules.log_level.get()), ..ROW
    };
    cni_mode: Row {
        key: "cniMode", variable: Some("CNI_MODE"), bare_variable: Some("CNI_MODE"),
        field: |config| json!(config.cni_mode), ..SWITCH
    };
    /// The key is an extension: Kuma knows the variable only.
    redirect_inbound_chain_name: Row {
        key: "redirect.inbound.chainName", variable: Some("REDIRECT_INBOUND_CHAIN_NAME"), default: "\"INBOUND\"",
        field: |config| json!(config.inbound.chain.as_str()), ..CHAIN
    };
    /// The key is an extension: Kuma knows the variable only.
    redirect_inbound_redirect_chain_name: Row {
        key: "redirect.inbound.redirectChainName", variable: Some("REDIRECT_INBOUND_REDIRECT_CHAIN_NAME"),
        default: "\"INBOUND_REDIRECT\"", field: |config| json!(config.inbound.redirect_chain.as_str()), ..CHAIN
    };
    /// The key is an extension: Kuma knows the variable only.
    redirect_outbound_chain_name: Row {
        key: "redirect.outbound.chainName", variable: Some("REDIRECT_OUTBOUND_CHAIN_NAME"),
        default: "\"OUTBOUND\"", field: |config| json!(config.outbound.chain.as_str()), ..CHAIN
    };
    /// The key is an extension: Kuma knows the variable only.
    redirect_outbound_redirect_chain_name: Row {
        key: "redirect.outbound.redirectChainName", variable: Some("REDIRECT_OUTBOUND_REDIRECT_CHAIN_NAME"),
        default: "\"OUTBOUND_REDIRECT\"", field: |config| json!(config.outbound.redirect_chain.as_str()), ..CHAIN
    };
    iptables: Row {
        key: "iptablesExecutables.iptables",
        field: |config| path(config.iptables_executables.ipv4.base.as_ref()), ..PROGRAM
    };
    iptables_save: Row {
        key: "iptablesExecutables.iptables-save",
        field: |config| path(config.iptables_executables.ipv4.save.as_ref()), ..PROGRAM
    };
    iptables_restore: Row {
        key: "iptablesExecutables.iptables-restore",
        field: |config| path(config.iptables_executables.ipv4.restore.as_ref()), ..PROGRAM
    };
    ip6tables: Row {
        key: "iptablesExecutables.ip6tables",
        field: |config| path(config.iptables_executables.ipv6.base.as_ref()), ..PROGRAM
    };
    ip6tables_save: Row {
        key: "iptablesExecutables.ip6tables-save",
        field: |config| path(config.iptables_executables.ipv6.save.as_ref()), ..PROGRAM
    };
    ip6tables_restore: Row {
        key: "iptablesExecutables.ip6tables-restore",
        field: |config| path(config.iptables_executables.ipv6.restore.as_ref()), ..PROGRAM
    };
}

/// The document of 2.1, as it stands there, with what 2.13 adds.
const DOCUMENT: &str = "
kumaDPUser: \"\"              # resolved per 1.8
ipFamilyMode: dualstack     # dualstack | ipv4
dropInvalidPackets: false
verbose: false
dryRun: false
storeFirewalld: false
cniMode: false
wait: 5                     # seconds
waitInterval: 0             # microseconds
retry: {maxRetries: 4, sleepBetweenRetries: 2s}
log: {enabled: false, level: 7}
comments: {disabled: false}
iptablesExecutables:        # all optional
  iptables: \"\"
  iptables-save: \"\"
  iptables-restore: \"\"
  ip6tables: \"\"
  ip6tables-save: \"\"
  ip6tables-restore: \"\"
redirect:
  inbound:
    enabled: true
    port: 15006
    includePorts: []
    excludePorts: []
    excludePortsForIPs: []
    excludePortsForUIDs: []
    insertRedirectInsteadOfAppend: false
  outbound:
    enabled: true
    port: 15001
    includePorts: []
    excludePorts: []
    excludePortsForIPs: []
    excludePortsForUIDs: []
    insertRedirectInsteadOfAppend: false
  dns:
    enabled: false
    captureAll: false
    port: 15053
    skipConntrackZoneSplit: false
    resolvConfigPath: /etc/resolv.conf
  vnet: {networks: []}
ebpf: {enabled: false, instanceIP: \"\", instanceIPEnvVarName: \"\", bpffsPath: /run/kuma/bpf,
       cgroupPath: /sys/fs/cgroup, programsSourcePath: /tmp/kuma-ebpf, tcAttachIface: \"\"}
";

#[test]
fn the_document_of_2_1_means_the_defaults() {
    let resolved = tproxy::config::Layers::default().file("2.1", DOCUMENT).resolve().unwrap();
    assert_eq!(resolved.config, Config::default());
    assert_eq!(resolved.warnings, Vec::<String>::new());
}

#[test]
fn every_key_of_the_document_of_2_1_has_a_row() {
    fn leaves(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(name, value)| {
                leaves(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value, found);
            }),
            _ => found.push(path.to_owned()),
        }
    }
    let document: serde_json::Value = serde_saphyr::from_str(DOCUMENT).unwrap();
    let mut keys = Vec::new();
    leaves("", &document, &mut keys);
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        assert!(crate::agreement::rows().any(|row| row.key == key), "no row for {key}");
    }
}
