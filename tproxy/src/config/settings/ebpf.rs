//! Settings of the eBPF backend.
//!
//! Must never hold anything but entries of the table.

use super::{BASE, Group, Setting, at};

/// Where each entry begins.
const EBPF: Setting = Setting { group: Group::Ebpf, ..BASE };

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "ebpf.enabled",
        flag: Some("ebpf-enabled"),
        variable: Some("EBPF_ENABLED"),
        help: "Capture with eBPF: the same as --backend ebpf",
        access: at!(ebpf.enabled),
        ..EBPF
    },
    Setting {
        key: "ebpf.instanceIP",
        flag: Some("ebpf-instance-ip"),
        variable: Some("EBPF_INSTANCE_IP"),
        bare_variable: Some("INSTANCE_IP"),
        value_name: "ADDRESS",
        help: "An address of this instance beside those that are found",
        access: at!(ebpf.instance_ip),
        ..EBPF
    },
    Setting {
        key: "ebpf.instanceIPEnvVarName",
        variable: Some("EBPF_INSTANCE_IP_ENV_VAR_NAME"),
        bare_variable: Some("INSTANCE_IP_ENV_VAR_NAME"),
        value_name: "NAME",
        access: at!(ebpf.instance_ip_variable),
        ..EBPF
    },
    Setting {
        key: "ebpf.bpffsPath",
        flag: Some("ebpf-bpffs-path"),
        variable: Some("EBPF_BPFFS_PATH"),
        bare_variable: Some("BPFFS_PATH"),
        value_name: "PATH",
        help: "Where the BPF file system is mounted",
        access: at!(ebpf.bpffs_path),
        ..EBPF
    },
    Setting {
        key: "ebpf.cgroupPath",
        flag: Some("ebpf-cgroup-path"),
        variable: Some("EBPF_CGROUP_PATH"),
        value_name: "PATH",
        help: "Where cgroup2 is mounted",
        access: at!(ebpf.cgroup_path),
        ..EBPF
    },
    Setting {
        key: "ebpf.programsSourcePath",
        flag: Some("ebpf-programs-source-path"),
        variable: Some("EBPF_PROGRAMS_SOURCE_PATH"),
        value_name: "PATH",
        help: "Directory of eBPF programs to load instead of those built in",
        access: at!(ebpf.programs_source_path),
        ..EBPF
    },
    Setting {
        key: "ebpf.tcAttachIface",
        flag: Some("ebpf-tc-attach-iface"),
        variable: Some("EBPF_TC_ATTACH_IFACE"),
        bare_variable: Some("TC_ATTACH_IFACE"),
        value_name: "NAME",
        help: "Attach to this interface only",
        access: at!(ebpf.tc_attach_interface),
        ..EBPF
    },
];
