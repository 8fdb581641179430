//! Whether programs and kernel have what the rules of the configuration need.
//!
//! Must never hold a rule: features come from `iptables`.

use super::case::Case;
use super::evidence::{Evidence, Program};
use super::finding::Finding;
use crate::plan::Note;

pub(super) fn findings(case: &Case, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &evidence.programs {
        Ok(programs) => findings.extend(programs.iter().map(program)),
        Err(lack) => findings.push(Finding::missing("programs", &lack.evidence, &lack.advice)),
    }
    findings.extend(evidence.without_lock.iter().map(|why| {
        let advice = "make that place writable, or name another file with the variable XTABLES_LOCKFILE";
        Finding::missing("xtables-lock", format!("iptables-legacy cannot lock its file: {why}"), advice)
    }));
    findings.extend(ipv6(case));
    findings.extend(evidence.trials.iter().map(|(attempt, trial)| attempt.judge(trial)));
    if let Some(unsupported) = case.unsupported() {
        let advice = "install without it; tproxy explain and tproxy config know it all the same";
        findings.push(Finding::missing("rules", unsupported.to_string(), advice));
    }
    if case.plan.iptables.log_level.is_some() && !evidence.logs {
        findings.push(Finding::warning(
            "kernel-log",
            "in a network namespace that is not the machine's first, the kernel discards what rules log unless \
             net.netfilter.nf_log_all_netns is 1 in the first one",
            "run `sysctl -w net.netfilter.nf_log_all_netns=1` on the machine itself, or leave --iptables-logs out",
        ));
    }
    if case.config.store_firewalld && !evidence.has_firewalld {
        findings.push(Finding::missing(
            "firewalld",
            "there is no /etc/firewalld, in which rules would be stored",
            "install firewalld, or leave --store-firewalld out",
        ));
    }
    findings
}

fn program(program: &Program) -> Finding {
    let subject = format!("{}/programs", program.tool.family);
    let path = program.tool.restore.display();
    match &program.version {
        Ok(version) => Finding::works(subject, format!("{path} is {version}")),
        Err(why) => Finding::missing(
            subject,
            why,
            "install the package iptables again, or name other programs with --iptables-executables",
        ),
    }
}

/// Both families are wanted, and IPv4 alone is going to be captured.
fn ipv6(case: &Case) -> Option<Finding> {
    let is_reason = |note: &&Note| matches!(note, Note::Ipv4Only { .. });
    let note = case.notes.iter().find(is_reason)?;
    let advice = "say that IPv4 is enough with --ip-family-mode ipv4, or give this host IPv6 and ip6tables";
    Some(Finding::warning("ipv6", note.to_string(), advice))
}
