//! Table 1.3 of the specification: settings that only Kuma 2.13 has. (`--kuma-dp-uid` stands with its successor.)

use serde_json::{Value as Json, json};

use crate::row::{ROW, Row, SWITCH, rows};

fn text(value: Option<&impl ToString>) -> Json {
    json!(value.map_or_else(String::new, ToString::to_string))
}

/// A directory.
const PATH: Row = Row {
    values: ["\"/1\"", "\"/run/2\"", "\"/3\"", "\"/sys/fs/bpf\""],
    bad: ("bpf", "`bpf` is not an absolute path"),
    ..ROW
};

rows! {
    ebpf_enabled: Row {
        key: "ebpf.enabled", flag: Some("ebpf-enabled"), variable: Some("EBPF_ENABLED"),
        field: |config| json!(config.ebpf.enabled), ..SWITCH
    };
    ebpf_instance_ip: Row {
        key: "ebpf.instanceIP", flag: Some("ebpf-instance-ip"), variable: Some("EBPF_INSTANCE_IP"),
        bare_variable: Some("INSTANCE_IP"), default: "\"\"",
        values: ["\"10.0.0.1\"", "\"10.0.0.2\"", "\"fd00::3\"", "\"10.0.0.4\""],
        bad: ("here", "`here` is not an IP address"), field: |config| text(config.ebpf.instance_ip.as_ref()), ..ROW
    };
    ebpf_bpffs_path: Row {
        key: "ebpf.bpffsPath", flag: Some("ebpf-bpffs-path"), variable: Some("EBPF_BPFFS_PATH"),
        bare_variable: Some("BPFFS_PATH"), default: "\"/run/kuma/bpf\"",
        field: |config| text(Some(&config.ebpf.bpffs_path)), ..PATH
    };
    ebpf_cgroup_path: Row {
        key: "ebpf.cgroupPath", flag: Some("ebpf-cgroup-path"), variable: Some("EBPF_CGROUP_PATH"),
        default: "\"/sys/fs/cgroup\"", field: |config| text(Some(&config.ebpf.cgroup_path)), ..PATH
    };
    ebpf_programs_source_path: Row {
        key: "ebpf.programsSourcePath", flag: Some("ebpf-programs-source-path"),
        variable: Some("EBPF_PROGRAMS_SOURCE_PATH"), default: "\"/tmp/kuma-ebpf\"",
        field: |config| text(Some(&config.ebpf.programs_source_path)), ..PATH
    };
    ebpf_tc_attach_iface: Row {
        key: "ebpf.tcAttachIface", flag: Some("ebpf-tc-attach-iface"), variable: Some("EBPF_TC_ATTACH_IFACE"),
        bare_variable: Some("TC_ATTACH_IFACE"), default: "\"\"",
        values: ["\"eth1\"", "\"eth2\"", "\"eth3\"", "\"eth4\""], bad: ("eth+", "`eth+` is not the name of one interface"),
        field: |config| text(config.ebpf.tc_attach_interface.as_ref()), ..ROW
    };
    ebpf_instance_ip_env_var_name: Row {
        key: "ebpf.instanceIPEnvVarName", variable: Some("EBPF_INSTANCE_IP_ENV_VAR_NAME"),
        bare_variable: Some("INSTANCE_IP_ENV_VAR_NAME"), default: "\"\"",
        values: ["\"POD_IP\"", "\"B\"", "\"C\"", "\"D\""], bad: ("A=B", "`A=B` is not the name of an environment variable"),
        field: |config| json!(config.ebpf.instance_ip_variable.as_ref().map_or("", |name| name.as_str())), ..ROW
    };
}
