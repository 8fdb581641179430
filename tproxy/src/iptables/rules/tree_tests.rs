//! A tree finds exactly what is in its networks, in few steps, on a way that the kernel follows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// How an address goes through a tree.
#[derive(Debug, PartialEq, Eq)]
struct Walk {
    found: bool,
    /// Rules that it was compared with.
    rules: usize,
    /// Chains of the tree that it went through.
    chains: usize,
}

fn tree(networks: &[IpNet]) -> Built {
    build('O', networks, "-d", &|network| Rule::new(&format!("-d {network} -j RETURN")))
}

fn walk(tree: &Built, address: IpAddr) -> Walk {
    let mut walk = Walk { found: false, rules: 0, chains: 0 };
    let mut rules = &tree.entry;
    loop {
        let matching = rules.iter().map(ToString::to_string).find(|rule| {
            walk.rules += 1;
            let network = rule.strip_prefix("-d ").and_then(|rest| rest.split(' ').next());
            network.is_none_or(|network| network.parse::<IpNet>().unwrap().contains(&address))
        });
        let rule = matching.unwrap_or_default();
        walk.found = rule.ends_with("-j RETURN");
        let next = rule.split_once("-g ").map(|(_, chain)| chain.to_owned());
        let Some(chain) = next.filter(|chain| Some(chain) != tree.rest.as_ref()) else { return walk };
        rules = &tree.chains.iter().find(|known| known.name == chain).unwrap().rules;
        walk.chains += 1;
    }
}

/// First and last address of a network, and those beside it.
fn edges(network: &IpNet) -> Vec<IpAddr> {
    let (first, last) = (network.network(), network.broadcast());
    let beside = |address: IpAddr, up: bool| match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            IpAddr::V4(Ipv4Addr::from_bits(if up { bits.wrapping_add(1) } else { bits.wrapping_sub(1) }))
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            IpAddr::V6(Ipv6Addr::from_bits(if up { bits.wrapping_add(1) } else { bits.wrapping_sub(1) }))
        }
    };
    vec![first, last, beside(first, false), beside(last, true)]
}

/// Networks of one family, close together and far apart, some in others.
fn any_networks() -> impl Strategy<Value = Vec<IpNet>> {
    let close = |bits: u128, close: bool, shift: u32| if close { bits >> shift } else { bits };
    let v4 = vec((any::<u32>(), any::<bool>(), 0_u8..=32), 0..400).prop_map(move |all| {
        let network = |(bits, near, length)| {
            let bits = u32::try_from(close(u128::from(bits), near, 12)).unwrap();
            IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc()
        };
        // Shorter ones would hold all others.
        all.into_iter().map(|(bits, near, length)| network((bits, near, length.max(9)))).collect()
    });
    let v6 = vec((any::<u128>(), any::<bool>(), 12_u8..=128), 0..400).prop_map(move |all| {
        let network = |(bits, near, length)| {
            IpNet::new(Ipv6Addr::from_bits(close(bits, near, 80)).into(), length).unwrap().trunc()
        };
        all.into_iter().map(network).collect()
    });
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn an_address_is_found_if_and_only_if_a_network_has_it(networks in any_networks()) {
        let tree = tree(&networks);
        for address in networks.iter().flat_map(edges) {
            let inside = networks.iter().any(|network| network.contains(&address));
            let walk = walk(&tree, address);
            prop_assert_eq!(walk.found, inside, "{} {:?}", address, walk);
            prop_assert!(walk.chains <= DEEPEST + 1, "{} {:?}", address, walk);
        }
    }
}

/// One network leaves at every bit but the last ten, and there are more than a leaf takes at the end.
fn comb() -> Vec<IpNet> {
    let end = u128::from_be_bytes([0xfd; 16]);
    let teeth = (1..=118_u8).map(|length| {
        let bits = end ^ (1 << (128 - u32::from(length)));
        IpNet::new(Ipv6Addr::from_bits(bits).into(), length).unwrap().trunc()
    });
    let at_the_end = (0..400_u128)
        .map(|number| IpNet::from(IpAddr::V6(Ipv6Addr::from_bits((end & !1023) | (number * 2)))));
    teeth.chain(at_the_end).collect()
}

#[test]
fn no_networks_make_a_tree_that_is_deeper_than_nf_tables_follows() {
    let networks = comb();
    let tree = tree(&networks);
    for address in networks.iter().flat_map(edges) {
        let walk = walk(&tree, address);
        assert!(walk.chains <= DEEPEST + 1, "{address}: {walk:?}");
        assert_eq!(walk.found, networks.iter().any(|network| network.contains(&address)), "{address}");
    }
}

#[test]
fn few_of_ten_thousand_networks_are_compared_with_an_address() {
    // 10.0.0.0 to 10.156.63.0, every second /26 to /32.
    let networks: Vec<IpNet> = (0..10_000_u32)
        .map(|number| {
            let length = 26 + u8::try_from(number % 7).unwrap();
            IpNet::new(Ipv4Addr::from_bits(0x0a00_0000 + number * 1024).into(), length).unwrap()
        })
        .collect();
    let tree = tree(&networks);
    let most = networks.iter().flat_map(edges).map(|address| walk(&tree, address).rules).max();
    assert!(most.unwrap() <= 150, "{most:?}");
}
