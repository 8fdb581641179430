//! The table of settings: one entry an option, with its key, flag, variable, help and grammar.
//!
//! A new option is one entry here and its field in [`Config`]; files, environment, flags and help follow from it. Names
//! are Kuma's. Must never hold a rule that concerns two settings: that is `check`.

use super::Config;
use super::value::{Raw, ValueError};

/// Every variable of ours begins with this (Kuma behaviour).
pub const VARIABLE_PREFIX: &str = "KUMA_TRANSPARENT_PROXY_";

/// One option in all its spellings.
pub struct Setting {
    /// Path in a configuration file.
    pub key: &'static str,
    /// Name of the flag, without dashes.
    pub flag: Option<&'static str>,
    /// Name of the variable behind [`VARIABLE_PREFIX`].
    pub variable: Option<&'static str>,
    /// The variable's name without the prefix, where that counts, too (Kuma behaviour).
    pub bare_variable: Option<&'static str>,
    /// What the flag's value is called in help; empty for a switch.
    pub value_name: &'static str,
    /// Help, one or two sentences.
    pub help: &'static str,
    pub(super) apply: Apply,
}

/// What to do with a value.
pub(super) enum Apply {
    /// Parse it and put it in its place.
    Set(fn(&mut Config, &Raw) -> Result<(), ValueError>),
    /// Known from Kuma, not built yet: any value but this default is refused.
    Later(&'static str),
}

impl Setting {
    /// Whether the flag may stand without a value.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.value_name.is_empty()
    }

    /// Whether this version can honour it.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        matches!(self.apply, Apply::Set(_))
    }
}

const BASE: Setting = Setting {
    key: "",
    flag: None,
    variable: None,
    bare_variable: None,
    value_name: "",
    help: "",
    apply: Apply::Later(""),
};

/// All settings, in the order of the help text.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "kumaDPUser",
        flag: Some("kuma-dp-user"),
        variable: Some("KUMA_DP_USER"),
        bare_variable: Some("KUMA_DP_USER"),
        value_name: "USER",
        help: "User name or id that the sidecar runs as [default: uid 5678 if the host has it, else user kuma-dp]",
        apply: Apply::Set(|config, raw| raw.sidecar_user().map(|value| config.kuma_dp_user = value)),
    },
    Setting {
        key: "ipFamilyMode",
        flag: Some("ip-family-mode"),
        variable: Some("IP_FAMILY_MODE"),
        bare_variable: Some("IP_FAMILY_MODE"),
        value_name: "MODE",
        help: "IP families to capture: dualstack or ipv4 [default: dualstack]",
        apply: Apply::Set(|config, raw| raw.ip_family_mode().map(|value| config.ip_family_mode = value)),
    },
    Setting {
        key: "redirect.inbound.enabled",
        flag: Some("redirect-inbound"),
        variable: Some("REDIRECT_INBOUND_ENABLED"),
        help: "Capture arriving TCP connections; =false for gateways [default: true]",
        apply: Apply::Set(|config, raw| raw.bool().map(|value| config.inbound.enabled = value)),
        ..BASE
    },
    Setting {
        key: "redirect.inbound.port",
        flag: Some("redirect-inbound-port"),
        variable: Some("REDIRECT_INBOUND_PORT"),
        value_name: "PORT",
        help: "Where the sidecar listens for arriving connections [default: 15006]",
        apply: Apply::Set(|config, raw| raw.port().map(|value| config.inbound.port = value)),
        ..BASE
    },
    Setting {
        key: "redirect.inbound.includePorts",
        flag: Some("include-inbound-ports"),
        variable: Some("REDIRECT_INBOUND_INCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Capture arriving connections to these ports only; exclusions of ports then do not count",
        apply: Apply::Set(|config, raw| raw.ports().map(|value| config.inbound.include_ports = value)),
        ..BASE
    },
    Setting {
        key: "redirect.inbound.excludePorts",
        flag: Some("exclude-inbound-ports"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Do not capture arriving connections to these ports",
        apply: Apply::Set(|config, raw| raw.ports().map(|value| config.inbound.exclude_ports = value)),
        ..BASE
    },
    Setting {
        key: "redirect.outbound.enabled",
        variable: Some("REDIRECT_OUTBOUND_ENABLED"),
        apply: Apply::Set(|config, raw| raw.bool().map(|value| config.outbound.enabled = value)),
        ..BASE
    },
    Setting {
        key: "redirect.outbound.port",
        flag: Some("redirect-outbound-port"),
        variable: Some("REDIRECT_OUTBOUND_PORT"),
        value_name: "PORT",
        help: "Where the sidecar listens for outgoing connections [default: 15001]",
        apply: Apply::Set(|config, raw| raw.port().map(|value| config.outbound.port = value)),
        ..BASE
    },
    Setting {
        key: "redirect.outbound.includePorts",
        flag: Some("include-outbound-ports"),
        variable: Some("REDIRECT_OUTBOUND_INCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Capture outgoing connections to these ports only; exclusions of ports then do not count",
        apply: Apply::Set(|config, raw| raw.ports().map(|value| config.outbound.include_ports = value)),
        ..BASE
    },
    Setting {
        key: "redirect.outbound.excludePorts",
        flag: Some("exclude-outbound-ports"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_PORTS"),
        value_name: "PORTS",
        help: "Do not capture outgoing connections to these ports",
        apply: Apply::Set(|config, raw| raw.ports().map(|value| config.outbound.exclude_ports = value)),
        ..BASE
    },
    Setting {
        key: "iptablesExecutables",
        flag: Some("iptables-executables"),
        variable: Some("IPTABLES_EXECUTABLES"),
        bare_variable: Some("IPTABLES_EXECUTABLES"),
        value_name: "NAME:PATH,…",
        help: "Use these programs: iptables, iptables-save, iptables-restore and their ip6tables twins",
        apply: Apply::Set(set_programs),
    },
    program("iptablesExecutables.iptables", |config, raw| {
        raw.program().map(|value| config.iptables_executables.ipv4.base = value)
    }),
    program("iptablesExecutables.iptables-save", |config, raw| {
        raw.program().map(|value| config.iptables_executables.ipv4.save = value)
    }),
    program("iptablesExecutables.iptables-restore", |config, raw| {
        raw.program().map(|value| config.iptables_executables.ipv4.restore = value)
    }),
    program("iptablesExecutables.ip6tables", |config, raw| {
        raw.program().map(|value| config.iptables_executables.ipv6.base = value)
    }),
    program("iptablesExecutables.ip6tables-save", |config, raw| {
        raw.program().map(|value| config.iptables_executables.ipv6.save = value)
    }),
    program("iptablesExecutables.ip6tables-restore", |config, raw| {
        raw.program().map(|value| config.iptables_executables.ipv6.restore = value)
    }),
    Setting {
        key: "dryRun",
        flag: Some("dry-run"),
        variable: Some("DRY_RUN"),
        help: "Print what would change, change nothing; needs no root",
        apply: Apply::Set(|config, raw| raw.bool().map(|value| config.dry_run = value)),
        ..BASE
    },
    Setting {
        key: "verbose",
        flag: Some("verbose"),
        variable: Some("VERBOSE"),
        help: "Print long option names in rules, and what is executed",
        apply: Apply::Set(|config, raw| raw.bool().map(|value| config.verbose = value)),
        ..BASE
    },
    later("dropInvalidPackets", "drop-invalid-packets", "DROP_INVALID_PACKETS", "false"),
    later("storeFirewalld", "store-firewalld", "STORE_FIREWALLD", "false"),
    Setting { bare_variable: Some("CNI_MODE"), ..later("cniMode", "", "CNI_MODE", "false") },
    later_value("wait", "wait", "WAIT", "5"),
    later_value("waitInterval", "wait-interval", "WAIT_INTERVAL", "0"),
    later_value("retry.maxRetries", "max-retries", "RETRY_MAX_RETRIES", "4"),
    later_value("retry.sleepBetweenRetries", "sleep-between-retries", "RETRY_SLEEP_BETWEEN_RETRIES", "2s"),
    later("log.enabled", "iptables-logs", "LOG_ENABLED", "false"),
    later_value("log.level", "", "LOG_LEVEL", "7"),
    later("comments.disabled", "disable-comments", "COMMENTS_DISABLED", "false"),
    Setting {
        bare_variable: Some("EXCLUDE_PORTS_FOR_IPS"),
        ..later_value(
            "redirect.inbound.excludePortsForIPs",
            "exclude-inbound-ips",
            "REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_IPS",
            "",
        )
    },
    Setting {
        bare_variable: Some("EXCLUDE_PORTS_FOR_UIDS"),
        ..later_value(
            "redirect.inbound.excludePortsForUIDs",
            "",
            "REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_UIDS",
            "",
        )
    },
    later(
        "redirect.inbound.insertRedirectInsteadOfAppend",
        "redirect-inbound-insert-instead-of-append",
        "REDIRECT_INBOUND_INSERT_REDIRECT_INSTEAD_OF_APPEND",
        "false",
    ),
    Setting {
        bare_variable: Some("EXCLUDE_PORTS_FOR_IPS"),
        ..later_value(
            "redirect.outbound.excludePortsForIPs",
            "exclude-outbound-ips",
            "REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_IPS",
            "",
        )
    },
    Setting {
        bare_variable: Some("EXCLUDE_PORTS_FOR_UIDS"),
        ..later_value(
            "redirect.outbound.excludePortsForUIDs",
            "exclude-outbound-ports-for-uids",
            "REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_UIDS",
            "",
        )
    },
    later(
        "redirect.outbound.insertRedirectInsteadOfAppend",
        "redirect-outbound-insert-instead-of-append",
        "REDIRECT_OUTBOUND_INSERT_REDIRECT_INSTEAD_OF_APPEND",
        "false",
    ),
    later_value("redirect.inbound.chainName", "", "REDIRECT_INBOUND_CHAIN_NAME", "INBOUND"),
    later_value("redirect.outbound.chainName", "", "REDIRECT_OUTBOUND_CHAIN_NAME", "OUTBOUND"),
    later_value(
        "redirect.inbound.redirectChainName",
        "",
        "REDIRECT_INBOUND_REDIRECT_CHAIN_NAME",
        "INBOUND_REDIRECT",
    ),
    later_value(
        "redirect.outbound.redirectChainName",
        "",
        "REDIRECT_OUTBOUND_REDIRECT_CHAIN_NAME",
        "OUTBOUND_REDIRECT",
    ),
    later("redirect.dns.enabled", "redirect-dns", "REDIRECT_DNS_ENABLED", "false"),
    later("redirect.dns.captureAll", "redirect-all-dns-traffic", "REDIRECT_DNS_CAPTURE_ALL", "false"),
    later_value("redirect.dns.port", "redirect-dns-port", "REDIRECT_DNS_PORT", "15053"),
    later(
        "redirect.dns.skipConntrackZoneSplit",
        "skip-dns-conntrack-zone-split",
        "REDIRECT_DNS_SKIP_CONNTRACK_ZONE_SPLIT",
        "false",
    ),
    later_value("redirect.dns.resolvConfigPath", "", "REDIRECT_DNS_RESOLV_CONFIG_PATH", "/etc/resolv.conf"),
    later_value("redirect.vnet.networks", "vnet", "REDIRECT_VNET_NETWORKS", ""),
    later("ebpf.enabled", "ebpf-enabled", "EBPF_ENABLED", "false"),
    later_value("ebpf.instanceIP", "ebpf-instance-ip", "EBPF_INSTANCE_IP", ""),
    later_value("ebpf.instanceIPEnvVarName", "", "EBPF_INSTANCE_IP_ENV_VAR_NAME", ""),
    later_value("ebpf.bpffsPath", "ebpf-bpffs-path", "EBPF_BPFFS_PATH", "/run/kuma/bpf"),
    later_value("ebpf.cgroupPath", "ebpf-cgroup-path", "EBPF_CGROUP_PATH", "/sys/fs/cgroup"),
    later_value(
        "ebpf.programsSourcePath",
        "ebpf-programs-source-path",
        "EBPF_PROGRAMS_SOURCE_PATH",
        "/tmp/kuma-ebpf",
    ),
    later_value("ebpf.tcAttachIface", "ebpf-tc-attach-iface", "EBPF_TC_ATTACH_IFACE", ""),
];

/// A file-only key that names one program.
const fn program(key: &'static str, set: fn(&mut Config, &Raw) -> Result<(), ValueError>) -> Setting {
    Setting { key, value_name: "PATH", apply: Apply::Set(set), ..BASE }
}

/// A switch of Kuma's that is not built yet.
const fn later(
    key: &'static str,
    flag: &'static str,
    variable: &'static str,
    default: &'static str,
) -> Setting {
    let flag = if flag.is_empty() { None } else { Some(flag) };
    Setting { key, flag, variable: Some(variable), apply: Apply::Later(default), ..BASE }
}

/// An option with a value of Kuma's that is not built yet.
const fn later_value(
    key: &'static str,
    flag: &'static str,
    variable: &'static str,
    default: &'static str,
) -> Setting {
    Setting { value_name: "VALUE", ..later(key, flag, variable, default) }
}

/// The list form merges name by name, like the keys of a file (Kuma behaviour).
fn set_programs(config: &mut Config, raw: &Raw) -> Result<(), ValueError> {
    for (name, path) in raw.named_programs()? {
        let key = format!("iptablesExecutables.{name}");
        match SETTINGS.iter().find(|setting| setting.key == key) {
            Some(Setting { apply: Apply::Set(set), .. }) => set(config, &path)?,
            _ => return Err(raw.unknown_program(&name)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_flag_and_variable_stands_for_one_setting() {
        let unique = |names: Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
        assert!(unique(SETTINGS.iter().map(|setting| setting.key).collect()));
        assert!(unique(SETTINGS.iter().filter_map(|setting| setting.flag).collect()));
        assert!(unique(SETTINGS.iter().filter_map(|setting| setting.variable).collect()));
    }

    #[test]
    fn every_supported_flag_has_help() {
        for setting in SETTINGS.iter().filter(|setting| setting.is_supported() && setting.flag.is_some()) {
            assert!(!setting.help.is_empty(), "{} has no help", setting.key);
        }
    }
}
