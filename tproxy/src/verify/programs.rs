//! Whether an installation of eBPF programs is whole, and what it counted.
//!
//! Pure.

use serde::Serialize;

use super::finding::{Finding, What};
use crate::apply::record::Phase;
use crate::ebpf::line::LINES;
use crate::ebpf::render::Installed;

/// What one line counted: calls of local processes, and arriving connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineCalls {
    /// Name of the line.
    pub line: String,
    /// Both families together.
    pub packets: u64,
    /// IPv4.
    pub ipv4: Calls,
    /// IPv6.
    pub ipv6: Calls,
}

/// How many first packets: a call that opens a connection, an unconnected datagram, or an arriving connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// So many.
    pub packets: u64,
}

/// What is wrong with what was found; nothing where it is whole, or nothing was ever installed.
#[must_use]
pub fn ebpf(installed: &Installed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let record = installed.record.as_ref().filter(|record| record.backend == "ebpf");
    if record.is_some_and(|record| record.phase == Phase::Applying) {
        findings.push(Finding::new(What::Interrupted));
    }
    if !installed.left.is_empty() {
        findings.push(Finding::new(What::ProgramsLeft));
    }
    if installed.found.is_empty() && record.is_some() {
        findings.push(Finding::new(What::ProgramsMissing));
    }
    if installed.found.len() > 1 {
        findings.push(Finding::new(What::SeveralInstallations));
    }
    let damage = installed.found.iter().flat_map(|found| &found.damage);
    findings.extend(damage.map(|damage| Finding::new(What::Programs).about(damage)));
    let has_ipv6 = record.is_some_and(|record| !record.addresses.is_empty());
    if has_ipv6 && !installed.has_address && !installed.found.is_empty() {
        findings.push(Finding::new(What::AddressMissing));
    }
    findings
}

/// The lines that counted anything, and all that could where none did.
#[must_use]
pub fn calls(installed: &Installed) -> Vec<LineCalls> {
    let counts = |number: usize, family: usize| -> u64 {
        let of = installed.found.iter().filter_map(|found| found.counters.get(number)?.get(family));
        of.sum()
    };
    let line = |(number, line): (usize, &crate::plan::line::Line)| {
        let [ipv4, ipv6] = [counts(number, 0), counts(number, 1)];
        LineCalls {
            line: line.name().to_owned(),
            packets: ipv4 + ipv6,
            ipv4: Calls { packets: ipv4 },
            ipv6: Calls { packets: ipv6 },
        }
    };
    LINES.iter().enumerate().map(line).filter(|line| line.packets > 0).collect()
}
