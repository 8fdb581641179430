//! Settings of the installation as a whole.
//!
//! Must never hold anything but entries of the table.

use super::{BASE, Group, Setting, at};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "kumaDPUser",
        flag: Some("kuma-dp-user"),
        deprecated_flag: Some("kuma-dp-uid"),
        variable: Some("KUMA_DP_USER"),
        bare_variable: Some("KUMA_DP_USER"),
        value_name: "USER",
        help: "User name or id that the sidecar runs as; by default uid 5678 if the host has it, else user kuma-dp",
        access: at!(kuma_dp_user),
        ..BASE
    },
    Setting {
        key: "ipFamilyMode",
        flag: Some("ip-family-mode"),
        variable: Some("IP_FAMILY_MODE"),
        bare_variable: Some("IP_FAMILY_MODE"),
        value_name: "MODE",
        help: "IP families to capture: dualstack or ipv4",
        access: at!(ip_family_mode),
        ..BASE
    },
    Setting {
        key: "backend",
        flag: Some("backend"),
        variable: Some("BACKEND"),
        value_name: "BACKEND",
        help: "What captures: auto (iptables of the flavour that the host uses), iptables-nft, iptables-legacy or ebpf",
        access: at!(backend),
        ..BASE
    },
    Setting {
        key: "dryRun",
        flag: Some("dry-run"),
        variable: Some("DRY_RUN"),
        help: "Print what would change, change nothing; needs no root",
        access: at!(dry_run),
        ..BASE
    },
    Setting {
        key: "verbose",
        flag: Some("verbose"),
        variable: Some("VERBOSE"),
        help: "Print long option names in rules, and what is executed",
        access: at!(verbose),
        ..BASE
    },
    Setting {
        key: "cniMode",
        variable: Some("CNI_MODE"),
        bare_variable: Some("CNI_MODE"),
        group: Group::General,
        access: at!(cni_mode),
        ..BASE
    },
];
