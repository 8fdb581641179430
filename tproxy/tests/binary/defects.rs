//! Kuma's defects of 8.2 that show on a host only, each by its number, and what else of it needs a node.

use std::time::Duration;

use netsim::node::{Exit, Identity};

use super::pod::{APP, Pod};

/// Users without a sidecar among them.
const NOBODY: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n";

#[test]
fn d10_uninstall_and_status_need_neither_the_user_nor_a_configuration() {
    let Some(pod) = Pod::start() else { return };
    pod.node().write_file("/run/c.yaml", "kumaDPUser: kuma-dp\nlog: {enabled: false}\n").unwrap();
    pod.done("install --config /run/c.yaml --exclude-inbound-ports 22");
    pod.node().write_file("/etc/passwd", NOBODY).unwrap();
    pod.sh("rm /run/c.yaml");
    assert_eq!(pod.tproxy("install").exit, Exit::Code(2));
    pod.done("status");
    pod.done("uninstall");
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
    assert!(!pod.state().contains("KUMA") && !pod.has_passthrough());
}

#[test]
fn d10_uninstall_takes_no_word_of_variables_and_removes_whatever_options_were_installed_with() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --backend iptables-legacy --redirect-inbound=false --redirect-outbound-port 7 --kuma-dp-user 0");
    let variables =
        [("IP_FAMILY_MODE", "ipv4"), ("KUMA_TRANSPARENT_PROXY_WAIT", "soon"), ("KUMA_DP_USER", "ghost")];
    let uninstall = variables
        .into_iter()
        .fold(pod.tproxy_program("uninstall"), |program, (name, value)| program.env(name, value));
    let finished = uninstall.run(pod.node()).unwrap();
    assert!(finished.success(), "{finished}");
    assert!(!pod.state().contains("KUMA") && !pod.has_passthrough());
}

#[test]
fn d26_what_a_dry_run_prints_depends_on_nobodys_privileges() {
    let Some(pod) = Pod::start() else { return };
    for flags in ["", " --verbose", " --json", " --exclude-inbound-ports 22 --ip-family-mode ipv4"] {
        let install = format!("install --dry-run{flags}");
        let as_root = pod.done(&install).stdout_text();
        let as_anybody = pod.tproxy_program(&install).identity(APP).run(pod.node()).unwrap();
        assert_eq!(as_anybody.stdout_text(), as_root, "{flags}");
        assert!(as_root.contains("KUMA_MESH_OUTBOUND"), "{as_root}");
    }
}

#[test]
fn the_validator_tries_eleven_times_and_fails_where_nothing_is_installed() {
    let Some(pod) = Pod::start() else { return };
    let sidecar = Identity::new(5678, 5678);
    let validate = pod.tproxy_program("validate --ip-family-mode ipv4").identity(sidecar);
    let finished = validate.deadline(Duration::from_secs(30)).run(pod.node()).unwrap();
    assert_eq!(finished.exit, Exit::Code(1), "{finished}");
    let said = finished.stderr_text();
    assert!(said.starts_with("error: validation failed: IPv4: ") && said.contains("install first"), "{said}");
    let tries = finished.stdout_text().lines().filter(|line| line.contains("/11]")).count();
    assert_eq!(tries, 11, "{finished}");
}

#[test]
fn the_validator_may_have_any_port_that_the_installation_redirects_to() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --redirect-inbound-port 15001 --redirect-outbound-port 15006");
    let sidecar = Identity::new(5678, 5678);
    let validate = pod.tproxy_program("validate --validation-server-port 15001").identity(sidecar);
    let finished = validate.deadline(Duration::from_secs(30)).run(pod.node()).unwrap();
    assert!(finished.success(), "{finished}");
    assert_eq!(pod.tproxy("validate --validation-server-port 0").exit, Exit::Code(2));
}

#[test]
fn d03_where_ebpf_cannot_be_had_it_is_refused_and_iptables_never_installed_in_its_place() {
    let Some(pod) = Pod::start() else { return };
    let before = pod.state();
    for arguments in [
        "install --ebpf-enabled --ebpf-instance-ip 10.0.0.1 --ebpf-cgroup-path /tmp",
        "install --backend ebpf --iptables-logs",
    ] {
        let finished = pod.tproxy(arguments);
        assert_eq!(finished.exit, Exit::Code(2), "{finished}");
        assert_eq!(pod.state(), before);
    }
}
