//! The host doctor: what a configuration needs, and whether this host has it, judged from evidence.
//!
//! Pure: a [`Case`] and its [`Evidence`] come in, [`Finding`]s come out; `host::evidence` collects. Must never find more
//! than the evidence shows: what could not be tried or seen is [`Outcome::Unknown`].

mod attempt;
mod case;
mod dns;
mod ebpf;
mod evidence;
mod features;
mod finding;
mod flavour;
mod nft;
mod others;
mod people;
mod ssh;

pub use attempt::{Attempt, Trial};
pub use case::Case;
pub use evidence::{Chosen, DnsListener, Evidence, Lack, Mount, Others, Privileges, Program};
pub use finding::{Finding, Outcome};

use crate::config::BackendChoice;

/// Everything that the evidence says about the case: what is needed first, then what else the user should know.
#[must_use]
pub fn findings(case: &Case, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ebpf = case.config.backend == BackendChoice::Ebpf;
    findings.extend(people::findings(case, evidence));
    if ebpf {
        findings.extend(ebpf::findings(case, evidence));
    } else {
        findings.extend(flavour::findings(evidence));
        findings.extend(features::findings(case, evidence));
    }
    findings.extend(dns::findings(case, evidence));
    findings.push(ssh::finding(case));
    if !ebpf {
        findings.extend(others::findings(case, evidence));
    }
    findings
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
