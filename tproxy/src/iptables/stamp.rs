//! The stamp that each of our jumps carries in its comment: enough to recognise an installation without the journal.
//!
//! Must never change its text without a new version: other versions of tproxy read it. What stands behind the digest is
//! optional, in any number, and passed over where it is not known.

use super::COMMENT_PREFIX;
use super::rule::Rule;

/// Version of the layout of chains and stamps.
const VERSION: &str = "tproxy-1";
/// Says that the passthrough address on loopback is ours.
const ADDRESS: &str = "address";
/// Says that the jump was put before the rules of others.
const FIRST: &str = "first";
/// Begins the digest of the rules.
const RULES: &str = "rules-";

/// What a jump says of the installation that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Digest of the policy.
    pub digest: u64,
    /// Whether the installation added ::6 to loopback, so that removing it falls to whoever uninstalls.
    pub added_address: bool,
    /// Whether the jump that carries it belongs before the rules of others.
    pub first: bool,
    /// Digest of all rules of the installation, so that they are known to be whole without the journal; `None` in
    /// stamps of versions that wrote none.
    pub rules: Option<u64>,
}

impl Stamp {
    /// The comment behind our prefix: `tproxy-1/0123456789abcdef[/address][/first][/rules-0123456789abcdef]`.
    #[must_use]
    pub fn text(self) -> String {
        let address = if self.added_address { format!("/{ADDRESS}") } else { String::new() };
        let first = if self.first { format!("/{FIRST}") } else { String::new() };
        let rules = self.rules.map(|rules| format!("/{RULES}{rules:016x}")).unwrap_or_default();
        format!("{VERSION}/{:016x}{address}{first}{rules}", self.digest)
    }

    /// The stamp of a rule; `None` for rules of Kuma and of other layouts.
    #[must_use]
    pub fn of(rule: &Rule) -> Option<Self> {
        let mut parts = rule.comment()?.strip_prefix(COMMENT_PREFIX)?.split('/');
        if parts.next()? != VERSION {
            return None;
        }
        let digest = u64::from_str_radix(parts.next()?, 16).ok()?;
        let mut stamp = Self { digest, added_address: false, first: false, rules: None };
        for part in parts {
            stamp.added_address |= part == ADDRESS;
            stamp.first |= part == FIRST;
            let rules = part.strip_prefix(RULES).and_then(|rules| u64::from_str_radix(rules, 16).ok());
            stamp.rules = stamp.rules.or(rules);
        }
        Some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_the_way_through_a_rule() {
        for (added_address, rules) in [(false, None), (true, None), (false, Some(7)), (true, Some(u64::MAX))]
        {
            let stamp = Stamp { digest: 0xabc, added_address, first: !added_address, rules };
            let rule = Rule::new("-p tcp -j KUMA_MESH_OUTBOUND").commented(&stamp.text());
            assert_eq!(Stamp::of(&rule), Some(stamp));
        }
        assert_eq!(Stamp::of(&Rule::new("-p tcp -j KUMA_MESH_OUTBOUND")), None);
    }
    #[test]
    fn parts_of_later_versions_are_passed_over() {
        let rule = Rule::new("-j KUMA_MESH_X").commented("tproxy-1/0000000000000abc/later/address/more-7");
        let stamp = Stamp { digest: 0xabc, added_address: true, first: false, rules: None };
        assert_eq!(Stamp::of(&rule), Some(stamp));
    }
}
