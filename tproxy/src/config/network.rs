//! IP networks as users write them: an address or CIDR, one or a list.
//!
//! Must never do I/O.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::Serialize;

use super::value::{Refusal, Refusals, Spelling, Value, list};
use crate::diagnostic::shortened;

const ALLOWED: &str = "an IP address or a network in CIDR form, like 10.0.0.1, 10.0.0.0/8 or fd00::/8";

/// Networks in the order given, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Networks(pub Vec<IpNet>);

impl Spelling for Networks {
    /// Addresses and networks separated by commas, or a list of such texts.
    fn read(value: &Value) -> Result<Self, Refusals> {
        if matches!(value, Value::Null) {
            return Ok(Self::default());
        }
        let mut networks = value.each(Some(','), ALLOWED, network)?;
        let mut seen = std::collections::BTreeSet::new();
        networks.retain(|network| seen.insert(*network));
        Ok(Self(networks))
    }

    fn write(&self) -> Value {
        list(&self.0)
    }
}

/// An address alone is a network of its own; bits behind the mask are dropped, as iptables does; IPv4-mapped networks
/// are IPv4.
pub(super) fn network(text: &str) -> Result<IpNet, Refusal> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| unreadable(text))?,
    };
    Ok(unmapped(network).ok_or_else(|| mask_cuts_mapping(text))?.trunc())
}

fn unreadable(text: &str) -> Refusal {
    let mask = text.split_once('/').filter(|(address, _)| address.parse::<IpAddr>().is_ok());
    match mask {
        Some((address, mask)) => {
            let longest = if address.contains(':') { 128 } else { 32 };
            let (text, mask) = (shortened(text), shortened(mask));
            Refusal::new(format!(
                "the mask of `{text}` is `{mask}`, which is not a number from 0 to {longest}"
            ))
        }
        None => Refusal::of(text, ALLOWED),
    }
}

/// `::ffff:0:0/96` and longer; a shorter mask that reaches into mapped addresses means neither family.
fn unmapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = network else { return Some(network) };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return Some(network) };
    let prefix = v6.prefix_len().checked_sub(96)?;
    Ipv4Net::new(v4, prefix).ok().map(IpNet::V4)
}

fn mask_cuts_mapping(text: &str) -> Refusal {
    Refusal::about(text, "is an IPv4-mapped network, whose mask is 96 to 128; write it as IPv4")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.0.0.1", "10.0.0.1/32")]
    #[case("172.32.16.8/16", "172.32.0.0/16")]
    #[case("fd00::1", "fd00::1/128")]
    #[case("::ffff:10.0.0.1", "10.0.0.1/32")]
    #[case("::ffff:10.1.0.0/104", "10.0.0.0/8")]
    #[case("0.0.0.0/0", "0.0.0.0/0")]
    fn networks_are_kept_in_their_plain_form(#[case] text: &str, #[case] plain: &str) {
        assert_eq!(network(text).unwrap().to_string(), plain);
    }

    #[rstest]
    #[case("10.0.0.0/33", "the mask of `10.0.0.0/33` is `33`, which is not a number from 0 to 32")]
    #[case("fd00::/129", "the mask of `fd00::/129` is `129`, which is not a number from 0 to 128")]
    #[case(
        "::ffff:10.0.0.0/90",
        "`::ffff:10.0.0.0/90` is an IPv4-mapped network, whose mask is 96 to 128; write it as IPv4"
    )]
    #[case(
        "10.0.0",
        "`10.0.0` is not an IP address or a network in CIDR form, like 10.0.0.1, 10.0.0.0/8 or fd00::/8"
    )]
    #[case(
        "fe80::1%eth0",
        "`fe80::1%eth0` is not an IP address or a network in CIDR form, like 10.0.0.1, 10.0.0.0/8 or fd00::/8"
    )]
    fn what_is_no_network_is_said_with_what_is(#[case] text: &str, #[case] sentence: &str) {
        assert_eq!(network(text).unwrap_err().to_string(), sentence);
    }
}
