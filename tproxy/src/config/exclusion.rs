//! Exclusions by owner: user and group ids, and the grammar `[[protocols:]ports:]uids`.
//!
//! Must never look an id up: ids are taken as they are.

use std::fmt;

use serde::{Serialize, Serializer};

use super::ports::{self, Ports};
use super::value::{Allowed, MOST, Refusal, Refusals, Spelling, Value, decimal, list, too_many};

/// User or group ids from a first to a last one. Ids have 32 bits; the highest means "nobody" to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdRange {
    /// The lowest.
    pub first: u32,
    /// The highest.
    pub last: u32,
}

impl IdRange {
    /// Whether `id` is in the range.
    #[must_use]
    pub fn contains(self, id: u32) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl Serialize for IdRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const ONE: &str = "an id from 0 to 4294967294, or a range of them like 1000-1999";

/// `1000` or `1000-1999`.
fn ids(text: &str) -> Result<IdRange, Refusal> {
    let id = |text: &str| {
        decimal(text.trim()).and_then(|number| u32::try_from(number).ok()).filter(|id| *id != u32::MAX)
    };
    let refused = || Refusal::of(text, ONE);
    match text.split_once('-') {
        None => id(text).map(|id| IdRange { first: id, last: id }).ok_or_else(refused),
        Some((first, last)) => {
            let (first, last) = id(first).zip(id(last)).ok_or_else(refused)?;
            if last < first {
                let turned = format_args!("is reversed: the lower id comes first, as in {last}-{first}");
                return Err(Refusal::about(text, turned));
            }
            Ok(IdRange { first, last })
        }
    }
}

impl Spelling for Vec<IdRange> {
    /// Ids and ranges separated by commas, a number, or a list of both.
    fn read(value: &Value) -> Result<Self, Refusals> {
        if matches!(value, Value::Null) {
            Ok(Self::new())
        } else {
            let list = "a list of ids: numbers and ranges like 1000-1999, separated by commas";
            value.each(Some(','), Allowed { list, item: ONE }, ids)
        }
    }

    fn write(&self) -> Value {
        list(self)
    }
}

/// To which transport protocols an exclusion belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocols {
    /// TCP and UDP.
    Both,
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
}

/// What the processes of some users send to some ports is not captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidExclusion {
    /// Of which protocols.
    pub protocols: Protocols,
    /// To which destination ports; empty for any.
    pub ports: Ports,
    /// Of which users.
    pub uids: IdRange,
}

impl fmt::Display for UidExclusion {
    /// The shortest way to write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = if self.ports.is_empty() { "*".to_owned() } else { self.ports.to_string() };
        match self.protocols {
            Protocols::Both if self.ports.is_empty() => self.uids.fmt(f),
            Protocols::Both => write!(f, "{ports}:{}", self.uids),
            Protocols::Tcp => write!(f, "tcp:{ports}:{}", self.uids),
            Protocols::Udp => write!(f, "udp:{ports}:{}", self.uids),
        }
    }
}

const GRAMMAR: &str = "of the form [[protocols:]ports:]uids, like 1000, 80,443:1000-1999 or udp:53:1000";

impl Spelling for Vec<UidExclusion> {
    /// A list of exclusions; in one text a `;` separates several.
    fn read(value: &Value) -> Result<Self, Refusals> {
        // An empty exclusion would mean every user (Kuma's defect): it must not be skipped like an empty port.
        let texts = match value {
            Value::Null => return Ok(Self::new()),
            Value::Text(text) if text.trim().is_empty() => return Ok(Self::new()),
            Value::Text(text) if text.matches(';').count() >= MOST => return Err(too_many().into()),
            Value::Text(text) if text.contains(';') => list(text.split(';')),
            other => other.clone(),
        };
        let several = |text: &str| match text.contains(';') {
            true => Err(Refusal::about(text, "is more than one exclusion; make each an item of its own")),
            false => exclusion(text),
        };
        texts.each(None, GRAMMAR, several)
    }

    fn write(&self) -> Value {
        list(self)
    }
}

fn exclusion(text: &str) -> Result<UidExclusion, Refusal> {
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    let (protocols, ports, uids) = match *parts.as_slice() {
        [uids] => ("", "", uids),
        [ports, uids] => ("", ports, uids),
        [protocols, ports, uids] => (protocols, ports, uids),
        _ => return Err(Refusal::of(text, GRAMMAR)),
    };
    let uids = uids.trim();
    let missing = match uids {
        "" => Some("names no user: an exclusion for everyone would turn capture off"),
        "*" => Some("is for every user: that would turn capture off"),
        _ if uids.contains(',') => Some("has several users; give each an exclusion of its own, or a range"),
        _ => None,
    };
    if let Some(why) = missing {
        return Err(Refusal::about(text, why));
    }
    Ok(UidExclusion { protocols: self::protocols(protocols)?, ports: self::ports(ports)?, uids: ids(uids)? })
}

fn protocols(text: &str) -> Result<Protocols, Refusal> {
    const ALLOWED: &str = "a protocol: tcp, udp, both separated by a comma, or * alone";
    if is_any(text) {
        return Ok(Protocols::Both);
    }
    let mut found: Option<Protocols> = None;
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let one = match name {
            name if name.eq_ignore_ascii_case("tcp") => Protocols::Tcp,
            name if name.eq_ignore_ascii_case("udp") => Protocols::Udp,
            _ => return Err(Refusal::of(name, ALLOWED)),
        };
        found = Some(if found.is_none_or(|other| other == one) { one } else { Protocols::Both });
    }
    Ok(found.unwrap_or(Protocols::Both))
}

fn ports(text: &str) -> Result<Ports, Refusal> {
    if is_any(text) {
        return Ok(Ports::default());
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(ports::range).collect::<Result<Vec<_>, _>>().map(Ports::from_ranges)
}

/// A `*` and nothing else.
fn is_any(text: &str) -> bool {
    text.trim_matches(|c: char| c == ',' || c.is_whitespace()) == "*"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1000", "1000")]
    #[case("*:*:1000-1999", "1000-1999")]
    #[case("::7", "7")]
    #[case("80,443,8000-8999:1000650000", "80,443,8000-8999:1000650000")]
    #[case("TCP , udp:53:0", "53:0")]
    #[case("udp:53:4294967294", "udp:53:4294967294")]
    #[case("tcp,tcp::5", "tcp:*:5")]
    #[case(" * :*,:7-7", "7")]
    #[case("*,:80-80:7", "80:7")]
    #[case(",*:,*,:7", "7")]
    fn exclusions_are_written_in_their_shortest_form(#[case] text: &str, #[case] short: &str) {
        assert_eq!(exclusion(text).unwrap().to_string(), short);
        assert_eq!(exclusion(short).unwrap(), exclusion(text).unwrap());
    }

    #[rstest]
    #[case("tcp:80:", "`tcp:80:` names no user: an exclusion for everyone would turn capture off")]
    #[case("*", "`*` is for every user: that would turn capture off")]
    #[case("1,2", "`1,2` has several users; give each an exclusion of its own, or a range")]
    #[case(
        "a:b:c:d",
        "`a:b:c:d` is not of the form [[protocols:]ports:]uids, like 1000, 80,443:1000-1999 or udp:53:1000"
    )]
    #[case("icmp:1:1", "`icmp` is not a protocol: tcp, udp, both separated by a comma, or * alone")]
    #[case("*,tcp:1:1", "`*` is not a protocol: tcp, udp, both separated by a comma, or * alone")]
    #[case("1-2-3:1", "`1-2-3` is not a port from 1 to 65535, or a range of them like 8000-8999")]
    #[case("0:1", "`0` is not a port from 1 to 65535, or a range of them like 8000-8999")]
    #[case("9-8:1", "`9-8` is reversed: the lower port comes first, as in 8-9")]
    #[case("9-8", "`9-8` is reversed: the lower id comes first, as in 8-9")]
    #[case("4294967295", "`4294967295` is not an id from 0 to 4294967294, or a range of them like 1000-1999")]
    fn what_is_no_exclusion_is_said_with_what_is(#[case] text: &str, #[case] sentence: &str) {
        assert_eq!(exclusion(text).unwrap_err().to_string(), sentence);
    }

    #[test]
    fn a_text_may_have_as_many_exclusions_as_a_list_and_no_more() {
        let text = |number: usize| Value::Text(vec!["1"; number].join(";"));
        assert_eq!(Vec::<UidExclusion>::read(&text(MOST)).unwrap().len(), MOST);
        let refused = Vec::<UidExclusion>::read(&text(MOST + 1)).unwrap_err();
        assert_eq!(refused.iter().next().unwrap(), &too_many());
    }

    #[test]
    fn an_empty_element_is_refused_wherever_it_stands() {
        for text in ["1000;", ";1000", "1000;;1001"] {
            assert!(Vec::<UidExclusion>::read(&Value::Text(text.to_owned())).is_err(), "{text}");
        }
        let item = Value::List(vec![Value::Text(String::new())]);
        let refused = Vec::<UidExclusion>::read(&item).unwrap_err();
        assert_eq!(refused.iter().next().unwrap().to_string(), format!("an empty item is not {GRAMMAR}"));
        assert_eq!(Vec::<UidExclusion>::read(&Value::Text(" ".to_owned())), Ok(Vec::new()));
    }
}
