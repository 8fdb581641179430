//! The stamp that each of our jumps carries in its comment: enough to recognise an installation without the journal.
//!
//! Must never change its text without a new version: other versions of tproxy read it.

use super::COMMENT_PREFIX;
use super::rule::Rule;

/// Version of the layout of chains and stamps.
const VERSION: &str = "tproxy-1";
/// Says that the passthrough address on loopback is ours.
const ADDRESS: &str = "address";

/// What a jump says of the installation that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Digest of the policy.
    pub digest: u64,
    /// Whether the installation added ::6 to loopback, so that removing it falls to whoever uninstalls.
    pub added_address: bool,
}

impl Stamp {
    /// The comment behind our prefix: `tproxy-1/0123456789abcdef[/address]`.
    #[must_use]
    pub fn text(self) -> String {
        let address = if self.added_address { format!("/{ADDRESS}") } else { String::new() };
        format!("{VERSION}/{:016x}{address}", self.digest)
    }

    /// The stamp of a rule; `None` for rules of Kuma and of other layouts.
    #[must_use]
    pub fn of(rule: &Rule) -> Option<Self> {
        let mut parts = rule.comment()?.strip_prefix(COMMENT_PREFIX)?.split('/');
        if parts.next()? != VERSION {
            return None;
        }
        let digest = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self { digest, added_address: parts.next() == Some(ADDRESS) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_the_way_through_a_rule() {
        for added_address in [false, true] {
            let stamp = Stamp { digest: 0xabc, added_address };
            let rule = Rule::new("-p tcp -j KUMA_MESH_OUTBOUND").commented(&stamp.text());
            assert_eq!(Stamp::of(&rule), Some(stamp));
        }
        assert_eq!(Stamp::of(&Rule::new("-p tcp -j KUMA_MESH_OUTBOUND")), None);
    }
}
