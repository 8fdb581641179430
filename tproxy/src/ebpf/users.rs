//! Exclusions of users, taken apart: every id has its set of ports for each protocol, so that one look-up by id and one by
//! port decide, however many exclusions there are.
//!
//! Pure.

use std::collections::BTreeMap;

use crate::config::exclusion::IdRange;
use crate::config::ports::Ports;
use crate::plan::Exclusion;
use crate::plan::flow::Protocol;

/// For which ports the traffic of an id passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Passing {
    /// None.
    #[default]
    Nothing,
    /// Some.
    Ports(Ports),
    /// All.
    Everything,
}

/// What passes of a range of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Users {
    pub(super) ids: IdRange,
    pub(super) tcp: Passing,
    pub(super) udp: Passing,
}

/// The exclusions that name users, as ranges that do not overlap. Others are passed over.
pub(super) fn users(exclusions: &[Exclusion]) -> Vec<Users> {
    let named: Vec<(IdRange, &Exclusion)> =
        exclusions.iter().filter_map(|exclusion| Some((exclusion.uids?, exclusion))).collect();
    // Where ranges begin, and behind their ends.
    let mut edges: BTreeMap<u64, Vec<(usize, bool)>> = BTreeMap::new();
    for (number, (ids, _)) in named.iter().enumerate() {
        edges.entry(ids.first.into()).or_default().push((number, true));
        edges.entry(u64::from(ids.last) + 1).or_default().push((number, false));
    }
    let mut open: BTreeMap<usize, &Exclusion> = BTreeMap::new();
    let mut found: Vec<Users> = Vec::new();
    let mut begin = 0;
    for (edge, changes) in edges {
        if !open.is_empty() {
            let first = u32::try_from(begin).unwrap_or(u32::MAX);
            let last = u32::try_from(edge - 1).unwrap_or(u32::MAX);
            let of = |protocol| passing(open.values().copied(), protocol);
            let (tcp, udp) = (of(Protocol::Tcp), of(Protocol::Udp));
            match found.last_mut() {
                Some(before)
                    if before.ids.last.checked_add(1) == Some(first)
                        && (&before.tcp, &before.udp) == (&tcp, &udp) =>
                {
                    before.ids.last = last;
                }
                _ => found.push(Users { ids: IdRange { first, last }, tcp, udp }),
            }
        }
        for (number, begins) in changes {
            match named.get(number).filter(|_| begins) {
                Some((_, exclusion)) => open.insert(number, exclusion),
                None => open.remove(&number),
            };
        }
        begin = edge;
    }
    found
}

fn passing<'a>(exclusions: impl Iterator<Item = &'a Exclusion>, protocol: Protocol) -> Passing {
    let mut all = Passing::Nothing;
    for exclusion in exclusions.filter(|exclusion| exclusion.protocol.is_none_or(|only| only == protocol)) {
        all = match all {
            _ if exclusion.ports.is_empty() => return Passing::Everything,
            Passing::Ports(ports) => {
                Passing::Ports(Ports::from_ranges(ports.ranges().chain(exclusion.ports.ranges())))
            }
            _ => Passing::Ports(exclusion.ports.clone()),
        };
    }
    all
}

/// The longest prefixes that together are `ids`, each as its first id and its length.
pub(super) fn prefixes(ids: IdRange) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let (mut first, end) = (u64::from(ids.first), u64::from(ids.last) + 1);
    while first < end {
        let aligned = if first == 0 { 32 } else { first.trailing_zeros().min(32) };
        let fitting = (end - first).ilog2();
        let bits = aligned.min(fitting);
        found.push((u32::try_from(first).unwrap_or(u32::MAX), 32 - bits));
        first += 1 << bits;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::{Spelling, Value};

    fn ports(text: &str) -> Ports {
        Ports::read(&Value::Text(text.to_owned())).ok().unwrap()
    }

    fn exclusion(first: u32, last: u32, protocol: Option<Protocol>, list: &str) -> Exclusion {
        let ports = if list.is_empty() { Ports::default() } else { ports(list) };
        Exclusion { uids: Some(IdRange { first, last }), protocol, ports, ..Exclusion::default() }
    }

    #[test]
    fn overlapping_ranges_are_taken_apart_and_their_ports_put_together() {
        let found = users(&[
            exclusion(10, 20, Some(Protocol::Tcp), "80"),
            exclusion(15, u32::MAX, Some(Protocol::Tcp), "443"),
            exclusion(20, 20, None, ""),
        ]);
        let some = |text| Passing::Ports(ports(text));
        let expected = [
            (10, 14, some("80"), Passing::Nothing),
            (15, 19, some("80,443"), Passing::Nothing),
            (20, 20, Passing::Everything, Passing::Everything),
            (21, u32::MAX, some("443"), Passing::Nothing),
        ];
        let expected =
            expected.map(|(first, last, tcp, udp)| Users { ids: IdRange { first, last }, tcp, udp });
        assert_eq!(found, expected);
    }

    #[test]
    fn neighbours_that_pass_the_same_are_one() {
        let found = users(&[exclusion(1, 2, None, ""), exclusion(3, 4, None, "")]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_range_is_few_prefixes() {
        assert_eq!(prefixes(IdRange { first: 0, last: u32::MAX }), [(0, 0)]);
        assert_eq!(prefixes(IdRange { first: 7, last: 7 }), [(7, 32)]);
        assert_eq!(prefixes(IdRange { first: 1, last: 6 }), [(1, 32), (2, 31), (4, 31), (6, 32)]);
        assert_eq!(prefixes(IdRange { first: u32::MAX, last: u32::MAX }), [(u32::MAX, 32)]);
    }
}
