//! Destination ports as matches: one by itself, several by multiport, which takes 15 at most.
//!
//! Must never leave a port out.

use crate::config::ports::{PortRange, Ports};

/// XT_MULTI_PORTS of include/uapi/linux/netfilter/xt_multiport.h; a range takes two.
const LARGEST: usize = 15;

/// The matches that together mean these ports, each for a rule of its own.
pub(super) fn matches(protocol: &str, ports: &Ports) -> Vec<String> {
    groups(ports).iter().map(|group| one(protocol, group)).collect()
}

/// What goes into one match each.
pub(super) fn groups(ports: &Ports) -> Vec<Vec<PortRange>> {
    let mut groups: Vec<Vec<PortRange>> = Vec::new();
    for range in ports.ranges() {
        match groups.last_mut().filter(|group| size(group) + size(&[range]) <= LARGEST) {
            Some(group) => group.push(range),
            None => groups.push(vec![range]),
        }
    }
    groups
}

fn size(ranges: &[PortRange]) -> usize {
    ranges.iter().map(|range| if range.first == range.last { 1 } else { 2 }).sum()
}

fn one(protocol: &str, ranges: &[PortRange]) -> String {
    let texts: Vec<String> = ranges.iter().map(|range| text(*range)).collect();
    match texts.as_slice() {
        [only] => format!("-p {protocol} -m {protocol} --dport {only}"),
        several => format!("-p {protocol} -m multiport --dports {}", several.join(",")),
    }
}

/// As iptables-save prints it: `80`, or `8000:8999`.
fn text(range: PortRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}:{}", range.first, range.last)
    }
}
