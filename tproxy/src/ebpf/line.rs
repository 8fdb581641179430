//! The numbers of the policy's lines in the programs' counters: `enum line` of `tproxy/bpf/lines.h`.
//!
//! Pure.

use crate::plan::line::Line;

/// The lines that these programs decide by, in the order of their numbers.
pub const LINES: [Line; 26] = [
    Line::OutboundFamilyOff,
    Line::OutboundSidecarToListener,
    Line::OutboundExclusion,
    Line::OutboundDnsFromSidecar,
    Line::OutboundDns,
    Line::OutboundNotTcp,
    Line::OutboundDnsOverTcp,
    Line::OutboundOff,
    Line::OutboundExcludedPort,
    Line::OutboundPassthroughSource,
    Line::OutboundSidecarToSelf,
    Line::OutboundAppToSelf,
    Line::OutboundSidecar,
    Line::OutboundNotIncludedPort,
    Line::OutboundCaptured,
    Line::InboundFamilyOff,
    Line::InboundVnetDns,
    Line::InboundVnetTcp,
    Line::InboundOff,
    Line::InboundOtherInterface,
    Line::InboundExcludedInterface,
    Line::InboundExcludedSource,
    Line::InboundIncludedPort,
    Line::InboundNotIncludedPort,
    Line::InboundExcludedPort,
    Line::InboundCaptured,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_number_the_lines_in_the_same_order() {
        let header = include_str!("../../bpf/lines.h");
        let names = header.lines().filter_map(|line| line.strip_prefix('\t')?.strip_suffix(','));
        let expected = LINES.iter().map(|line| line.name().replace(['/', '-'], "_").to_uppercase());
        let expected: Vec<String> = expected.chain(["LINES".to_owned()]).collect();
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
