//! Thousands of networks to exclude, of mixed prefix lengths, half of them close to where the connections go.
//!
//! Must never contain an address that a connection of a bench goes to or comes from: those are to be captured.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::random::Random;
use crate::topology::IpFamily;

/// The networks are the same in every run, so that runs can be compared.
const SEED: u64 = 7700;

/// `count` networks of a family, none in another, none with one of `spared` in it.
pub(super) fn networks(count: usize, family: IpFamily, spared: &[IpAddr]) -> Vec<IpNet> {
    let mut random = Random::new(SEED);
    let mut chosen: BTreeMap<IpAddr, IpNet> = BTreeMap::new();
    while chosen.len() < count {
        let close = chosen.len().is_multiple_of(2);
        let Some(network) = candidate(&mut random, family, close) else { continue };
        let before = chosen.range(..=network.network()).next_back();
        let after = chosen.range(network.network()..).next();
        let overlaps = before.is_some_and(|(_, other)| other.contains(&network.network()))
            || after.is_some_and(|(start, _)| network.contains(start));
        if !overlaps && !spared.iter().any(|address| network.contains(address)) {
            chosen.insert(network.network(), network);
        }
    }
    chosen.into_values().collect()
}

/// A network anywhere, or in 10.0.0.0/8 or fd00::/8, where those of the ready topologies are.
fn candidate(random: &mut Random, family: IpFamily, close: bool) -> Option<IpNet> {
    let bits = (u128::from(random.next()) << 64) | u128::from(random.next());
    let (shortest, longest) = match family {
        IpFamily::V4 => (20_u8, 32_u8),
        IpFamily::V6 => (40, 128),
    };
    let lengths = usize::from(longest - shortest) + 1;
    let length = shortest + u8::try_from(random.below(lengths)).unwrap_or(0);
    let address: IpAddr = match family {
        IpFamily::V4 => {
            let [first, second, third, fourth, ..] = bits.to_be_bytes();
            Ipv4Addr::new(if close { 10 } else { first }, second, third, fourth).into()
        }
        IpFamily::V6 => {
            let first = if close { 0xfd } else { 0x20 };
            Ipv6Addr::from((bits >> 8) | (first << 120)).into()
        }
    };
    IpNet::new(address, length).ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_networks_are_disjoint_mixed_and_spare_what_they_must() {
        for (family, spared) in [(IpFamily::V4, "10.77.0.3"), (IpFamily::V6, "fd77::3")] {
            let spared: IpAddr = spared.parse().unwrap();
            let networks = networks(10_000, family, &[spared]);
            assert_eq!(networks.len(), 10_000);
            assert!(networks.iter().all(|network| IpFamily::of(network.addr()) == family));
            assert!(networks.iter().all(|network| !network.contains(&spared)));
            assert!(
                networks.iter().zip(networks.iter().skip(1)).all(|(a, b)| a.broadcast() < b.network()),
                "sorted networks overlap"
            );
            let lengths: std::collections::BTreeSet<u8> = networks.iter().map(IpNet::prefix_len).collect();
            assert!(lengths.len() >= 13, "{lengths:?}");
        }
    }
}
