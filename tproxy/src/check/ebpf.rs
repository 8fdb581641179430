//! What the eBPF backend needs.
//!
//! Must never say that it works: this build has none.

use super::evidence::Evidence;
use super::finding::Finding;

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    vec![
        Finding::missing(
            "ebpf/backend",
            "this build has no eBPF backend",
            "leave --backend and --ebpf-enabled out: iptables does the same",
        ),
        Finding::unknown(
            "ebpf/kernel",
            format!(
                "Linux {}; programs of this kind need 5.7 or later, and none was loaded",
                evidence.kernel
            ),
            "",
        ),
        mounted(evidence, "cgroup2", "mount it: mount -t cgroup2 none /sys/fs/cgroup"),
        mounted(evidence, "bpf", "mount it: mount -t bpf bpf /sys/fs/bpf"),
    ]
}

fn mounted(evidence: &Evidence, kind: &str, advice: &str) -> Finding {
    let subject = format!("ebpf/{}", if kind == "bpf" { "bpffs" } else { kind });
    match evidence.mounts.iter().find(|mount| mount.kind == kind) {
        Some(mount) => Finding::works(subject, format!("{kind} is mounted at {}", mount.path.display())),
        None => Finding::missing(subject, format!("no {kind} file system is mounted"), advice),
    }
}
