//! What the eBPF backend needs.
//!
//! Must never say that something works which was not tried.

use super::case::Case;
use super::evidence::Evidence;
use super::finding::Finding;
use crate::ebpf::unsupported;

const INSTEAD: &str = "leave --backend and --ebpf-enabled out: iptables does the same";

pub(super) fn findings(case: &Case, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = vec![
        programs(evidence),
        mounted(evidence, "cgroup2", "mount it: mount -t cgroup2 none /sys/fs/cgroup"),
    ];
    findings.push(match evidence.mounts.iter().any(|mount| mount.kind == "bpf") {
        true => mounted(evidence, "bpf", ""),
        // Without one, install mounts it.
        false => Finding::works(
            "ebpf/bpffs",
            format!("none is mounted: it would be, at {}", case.config.ebpf.bpffs_path),
        ),
    });
    if let Err(refused) = unsupported::check(&case.config, &case.plan) {
        findings.push(Finding::missing(
            "ebpf/options",
            refused.to_string(),
            "use iptables for it, or leave it out",
        ));
    }
    findings
}

fn programs(evidence: &Evidence) -> Finding {
    match &evidence.programs_of_ebpf {
        Some(Ok(())) => {
            Finding::works("ebpf/kernel", format!("Linux {} takes all programs", evidence.kernel))
        }
        Some(Err(words)) => Finding::missing("ebpf/kernel", words.clone(), INSTEAD),
        None => Finding::unknown("ebpf/kernel", "programs cannot be tried without root", ""),
    }
}

fn mounted(evidence: &Evidence, kind: &str, advice: &str) -> Finding {
    let subject = format!("ebpf/{}", if kind == "bpf" { "bpffs" } else { kind });
    match evidence.mounts.iter().find(|mount| mount.kind == kind) {
        Some(mount) => Finding::works(subject, format!("{kind} is mounted at {}", mount.path.display())),
        None => Finding::missing(subject, format!("no {kind} file system is mounted"), advice),
    }
}
