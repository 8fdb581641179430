//! Interface names, patterns of them, and the virtual networks behind them.
//!
//! Must never ask whether an interface exists: that changes while an installation stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::network::network;
use super::value::{Refusal, Refusals, Spelling, Value, list};

/// IFNAMSIZ without the NUL at the end (include/uapi/linux/if.h).
const LONGEST: usize = 15;
const ALLOWED: &str = "an interface name: 1 to 15 bytes without blanks, quotes, `/` or `:`; a `+` at the end stands for any rest";
const ONE: &str = "the name of one interface: 1 to 15 bytes without blanks, quotes, `/` or `:`, and without a `+` at the end";

/// A name, or with a `+` at its end the beginning of names (iptables' wildcard).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfacePattern(String);

impl InterfacePattern {
    /// Whether it stands for this interface.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('+') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.0,
        }
    }

    /// One name that it stands for.
    #[must_use]
    pub fn example(&self) -> String {
        match self.0.strip_suffix('+') {
            Some("") => "eth0".to_owned(),
            Some(prefix) => format!("{prefix}0"),
            None => self.0.clone(),
        }
    }

    /// As iptables takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is the name of one interface, and no pattern.
///
/// # Errors
/// What it is not.
pub fn check_name(text: &str) -> Result<(), Refusal> {
    match InterfacePattern::from_str(text) {
        Ok(pattern) if !pattern.0.ends_with('+') => Ok(()),
        _ => Err(Refusal::of(text, ONE)),
    }
}

impl FromStr for InterfacePattern {
    type Err = Refusal;

    /// Reads a name or pattern that the kernel can have (dev_valid_name in net/core/dev.c), but for double quotes: what
    /// iptables-save prints of such a name no iptables-restore reads.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':' || c == '"';
        let bad = text.is_empty()
            || text.len() > LONGEST
            || text == "."
            || text == ".."
            || text.contains(forbidden);
        if bad { Err(Refusal::of(text, ALLOWED)) } else { Ok(Self(text.to_owned())) }
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for InterfacePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Spelling for Vec<InterfacePattern> {
    /// Names and patterns separated by commas, or a list of them.
    fn read(value: &Value) -> Result<Self, Refusals> {
        if matches!(value, Value::Null) {
            Ok(Self::new())
        } else {
            value.each(Some(','), ALLOWED, InterfacePattern::from_str)
        }
    }

    fn write(&self) -> Value {
        list(self)
    }
}

impl Spelling for Option<InterfacePattern> {
    /// One interface by its whole name; empty for none.
    fn read(value: &Value) -> Result<Self, Refusals> {
        let text = value.word().or_else(|| matches!(value, Value::Null).then(String::new));
        match text
            .map(|text| if text.is_empty() { Ok(None) } else { InterfacePattern::from_str(&text).map(Some) })
        {
            Some(Ok(Some(pattern))) if pattern.0.ends_with('+') => value.refuse("the name of one interface"),
            Some(read) => Ok(read?),
            None => value.refuse(ALLOWED),
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.as_ref().map(ToString::to_string).unwrap_or_default())
    }
}

/// Virtual machines or containers behind an interface of this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VirtualNetwork {
    /// The interface, or the beginning of several.
    pub interface: InterfacePattern,
    /// The networks behind it.
    pub networks: Vec<IpNet>,
}

impl Spelling for Vec<VirtualNetwork> {
    /// A list of `interface:network`; an interface may stand there several times.
    fn read(value: &Value) -> Result<Self, Refusals> {
        const ALLOWED: &str = "of the form interface:network, like docker0:172.17.0.0/16";
        if matches!(value, Value::Null) {
            return Ok(Self::new());
        }
        // In the order of the text, each network of an interface once.
        let (mut found, mut places, mut seen) = (Self::new(), BTreeMap::new(), BTreeSet::new());
        for (interface, network) in value.each(Some(','), ALLOWED, one_network)? {
            let place = *places.entry(interface.clone()).or_insert(found.len());
            if !seen.insert((place, network)) {
                continue;
            }
            match found.get_mut(place) {
                Some(vnet) => vnet.networks.push(network),
                None => found.push(VirtualNetwork { interface, networks: vec![network] }),
            }
        }
        Ok(found)
    }

    fn write(&self) -> Value {
        let pairs = |vnet: &VirtualNetwork| {
            let interface = vnet.interface.clone();
            vnet.networks.clone().into_iter().map(move |network| format!("{interface}:{network}"))
        };
        list(self.iter().flat_map(pairs))
    }
}

/// The first colon separates: the rest may be an IPv6 network.
fn one_network(text: &str) -> Result<(InterfacePattern, IpNet), Refusal> {
    let Some((interface, cidr)) = text.split_once(':').filter(|(_, cidr)| !cidr.trim().is_empty()) else {
        return Err(Refusal::about(
            text,
            "has no network: write interface:network, like docker0:172.17.0.0/16",
        ));
    };
    if !cidr.contains('/') {
        return Err(Refusal::about(text, "has no mask: write the network like 172.17.0.0/16"));
    }
    Ok((InterfacePattern::from_str(interface)?, network(cidr)?))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("eth0", "eth0")]
    #[case("wg+", "wg0")]
    #[case("a+b", "a+b")]
    #[case("a+b+", "a+b0")]
    #[case("+", "eth0")]
    #[case("fourteenbytes+", "fourteenbytes0")]
    fn the_example_of_a_pattern_is_a_name_that_it_matches(#[case] text: &str, #[case] name: &str) {
        let pattern: InterfacePattern = text.parse().unwrap();
        assert_eq!(pattern.example(), name);
        assert!(pattern.matches(name));
        assert_eq!(check_name(name), Ok(()));
    }

    #[rstest]
    #[case("")]
    #[case("a b")]
    #[case("a/b")]
    #[case("a:b")]
    #[case("..")]
    #[case("wg+")]
    #[case("sixteen-bytes-12")]
    fn what_no_interface_is_called_is_refused(#[case] text: &str) {
        let quoted = if text.is_empty() { "``".to_owned() } else { format!("`{text}`") };
        let said = check_name(text).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{quoted} is not the name of one interface")), "{said}");
    }
}
