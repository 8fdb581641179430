//! Addresses of other hosts about which a plan says nothing.
//!
//! Must never give one that no other host can have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::family::IpFamily;

/// An address of another host that is in none of `networks`: one of those kept for documentation where there is one left,
/// else the lowest of the world. `None` where the networks leave none.
pub(super) fn outside(networks: impl Iterator<Item = IpNet>, family: IpFamily) -> Option<IpAddr> {
    let mut taken: Vec<(u128, u128)> = networks
        .filter(|network| IpFamily::of(network.addr()) == family)
        .map(|network| ends(&network))
        .collect();
    taken.sort_unstable();
    candidates(family).into_iter().find_map(|(first, last)| {
        // Ascending, so whatever is not taken by the ranges up to here may only be taken by the next one.
        let free = taken.iter().try_fold(number(first), |free, (start, end)| {
            if (*start..=*end).contains(&free) { end.checked_add(1) } else { Some(free) }
        });
        free.filter(|free| *free <= number(last)).map(|free| address(free, family))
    })
}

/// Ranges of addresses that hosts may have, the likeliest first (RFC 5737, RFC 3849).
fn candidates(family: IpFamily) -> Vec<(IpAddr, IpAddr)> {
    let v4 = |first: [u8; 4], last: [u8; 4]| (IpAddr::from(first), IpAddr::from(last));
    let v6 = |first: [u16; 8], last: [u16; 8]| (IpAddr::from(first), IpAddr::from(last));
    const F: u16 = u16::MAX;
    match family {
        IpFamily::V4 => vec![
            v4([203, 0, 113, 1], [203, 0, 113, 254]),
            v4([198, 51, 100, 1], [198, 51, 100, 254]),
            v4([192, 0, 2, 1], [192, 0, 2, 254]),
            v4([1, 0, 0, 1], [126, 255, 255, 254]),
            v4([128, 0, 0, 1], [223, 255, 255, 254]),
        ],
        IpFamily::V6 => vec![
            v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], [0x2001, 0xdb8, F, F, F, F, F, F]),
            v6([0x2000, 0, 0, 0, 0, 0, 0, 1], [0x3fff, F, F, F, F, F, F, F]),
            v6([0xfc00, 0, 0, 0, 0, 0, 0, 1], [0xfdff, F, F, F, F, F, F, F]),
        ],
    }
}

/// The first and the last address of a network.
fn ends(network: &IpNet) -> (u128, u128) {
    (number(network.network()), number(network.broadcast()))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(number: u128, family: IpFamily) -> IpAddr {
    match family {
        // The ranges of IPv4 end within 32 bits.
        IpFamily::V4 => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpFamily::V6 => Ipv6Addr::from_bits(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(IpFamily::V4, &[], "203.0.113.1")]
    #[case(IpFamily::V4, &["203.0.113.0/30", "203.0.113.4/32"], "203.0.113.5")]
    #[case(IpFamily::V4, &["203.0.113.0/24"], "198.51.100.1")]
    #[case(IpFamily::V4, &["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "0.0.0.0/4"], "16.0.0.0")]
    #[case(IpFamily::V4, &["0.0.0.0/1", "192.0.0.0/2"], "128.0.0.1")]
    #[case(IpFamily::V4, &["::/0"], "203.0.113.1")]
    #[case(IpFamily::V6, &[], "2001:db8::1")]
    #[case(IpFamily::V6, &["2001:db8::/32"], "2000::1")]
    #[case(IpFamily::V6, &["2000::/3", "0.0.0.0/0"], "fc00::1")]
    fn the_first_address_that_is_left_is_given(
        #[case] family: IpFamily,
        #[case] networks: &[&str],
        #[case] expected: &str,
    ) {
        let networks = networks.iter().map(|network| network.parse().unwrap());
        assert_eq!(outside(networks, family), Some(expected.parse().unwrap()));
    }

    #[rstest]
    #[case(IpFamily::V4, &["0.0.0.0/0"])]
    #[case(IpFamily::V4, &["0.0.0.0/1", "128.0.0.0/1"])]
    #[case(IpFamily::V6, &["::/0"])]
    #[case(IpFamily::V6, &["2000::/3", "fc00::/7"])]
    fn nothing_may_be_left(#[case] family: IpFamily, #[case] networks: &[&str]) {
        assert_eq!(outside(networks.iter().map(|network| network.parse().unwrap()), family), None);
    }
}
