//! Settings of the iptables backend: programs, loading, the look of the rules.
//!
//! Must never hold anything but entries of the table.

use super::{Access, BASE, Group, Setting, at};
use crate::config::value::Value;

/// Where each entry begins.
const IPTABLES: Setting = Setting { group: Group::Iptables, ..BASE };

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "dropInvalidPackets",
        flag: Some("drop-invalid-packets"),
        variable: Some("DROP_INVALID_PACKETS"),
        help: "Drop arriving packets that belong to no connection, which would slip past the redirection",
        access: at!(drop_invalid_packets),
        ..IPTABLES
    },
    Setting {
        key: "log.enabled",
        flag: Some("iptables-logs"),
        variable: Some("LOG_ENABLED"),
        help: "Log packets that pass our rules to the kernel's log",
        access: at!(rules.log),
        ..IPTABLES
    },
    Setting {
        key: "log.level",
        variable: Some("LOG_LEVEL"),
        value_name: "LEVEL",
        access: at!(rules.log_level),
        ..IPTABLES
    },
    Setting {
        key: "comments.disabled",
        flag: Some("disable-comments"),
        variable: Some("COMMENTS_DISABLED"),
        help: "Write rules without comments",
        access: at!(rules.without_comments),
        ..IPTABLES
    },
    // The list form merges name by name, like the keys of a file (Kuma behaviour).
    Setting {
        key: "iptablesExecutables",
        flag: Some("iptables-executables"),
        variable: Some("IPTABLES_EXECUTABLES"),
        bare_variable: Some("IPTABLES_EXECUTABLES"),
        value_name: "NAME:PATH,…",
        help: "Use these programs, a family's three together: iptables, iptables-save, iptables-restore and their \
               ip6tables twins",
        access: Access {
            set: |config, value| config.iptables_executables.merge(value),
            get: |_| Value::Null,
        },
        ..IPTABLES
    },
    program("iptablesExecutables.iptables", at!(iptables_executables.ipv4.base)),
    program("iptablesExecutables.iptables-save", at!(iptables_executables.ipv4.save)),
    program("iptablesExecutables.iptables-restore", at!(iptables_executables.ipv4.restore)),
    program("iptablesExecutables.ip6tables", at!(iptables_executables.ipv6.base)),
    program("iptablesExecutables.ip6tables-save", at!(iptables_executables.ipv6.save)),
    program("iptablesExecutables.ip6tables-restore", at!(iptables_executables.ipv6.restore)),
    Setting {
        key: "wait",
        flag: Some("wait"),
        variable: Some("WAIT"),
        value_name: "SECONDS",
        help: "How long a legacy iptables-restore waits for the xtables lock; 0 waits without end",
        access: at!(loading.wait),
        ..IPTABLES
    },
    Setting {
        key: "waitInterval",
        flag: Some("wait-interval"),
        variable: Some("WAIT_INTERVAL"),
        value_name: "MICROSECONDS",
        help: "Time between two looks at the xtables lock; 0 leaves it to iptables",
        access: at!(loading.wait_interval),
        ..IPTABLES
    },
    Setting {
        key: "retry.maxRetries",
        flag: Some("max-retries"),
        variable: Some("RETRY_MAX_RETRIES"),
        value_name: "COUNT",
        help: "How often loading rules is tried again after it failed",
        access: at!(loading.max_retries),
        ..IPTABLES
    },
    Setting {
        key: "retry.sleepBetweenRetries",
        flag: Some("sleep-between-retries"),
        variable: Some("RETRY_SLEEP_BETWEEN_RETRIES"),
        value_name: "DURATION",
        help: "Time between two tries, like 2s or 500ms",
        json_flag: true,
        access: at!(loading.sleep_between_retries),
        ..IPTABLES
    },
    Setting {
        key: "storeFirewalld",
        flag: Some("store-firewalld"),
        variable: Some("STORE_FIREWALLD"),
        help: "Keep the rules in firewalld's direct configuration, too",
        access: at!(store_firewalld),
        ..IPTABLES
    },
];

/// A file-only key that names one program.
const fn program(key: &'static str, access: Access) -> Setting {
    Setting { key, value_name: "PATH", access, ..IPTABLES }
}
