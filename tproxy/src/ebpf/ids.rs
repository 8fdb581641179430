//! Ids of users and groups: as the user namespace has them that owns a network namespace, and as the kernel has them.
//!
//! The programs are told the kernel's. Configurations mean the owner's, as rules of iptables do.
//!
//! Pure.

use super::unsupported::Unsupported;
use crate::config::exclusion::IdRange;
use crate::plan::{Exclusion, Policy};

/// Ids that follow each other in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    inside: u32,
    kernel: u32,
    length: u32,
}

impl Extent {
    /// The last id inside.
    fn last(&self) -> u32 {
        self.inside.saturating_add(self.length - 1)
    }
}

/// What ids of a user namespace are to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap(Vec<Extent>);

impl IdMap {
    /// Of the first user namespace: every id is itself.
    #[must_use]
    pub fn plain() -> Self {
        Self(vec![Extent { inside: 0, kernel: 0, length: u32::MAX }])
    }

    /// Reads /proc/PID/uid_map or gid_map (user_namespaces(7)), as the first user namespace sees it. `None` where it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let extent = |line: &str| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let extent = Extent {
                inside: numbers.next()?.ok()?,
                kernel: numbers.next()?.ok()?,
                length: numbers.next()?.ok()?,
            };
            (extent.length > 0 && numbers.next().is_none()).then_some(extent)
        };
        let mut extents = text.lines().map(extent).collect::<Option<Vec<_>>>()?;
        extents.sort_by_key(|extent| extent.inside);
        Some(Self(extents))
    }

    /// Whether every id is itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::plain()
    }

    fn id(&self, id: u32) -> Option<u32> {
        let ids = self.ids(IdRange { first: id, last: id })?;
        ids.first().map(|ids| ids.first)
    }

    /// A range, in pieces. `None` where an end of it is no id there: the kernel refuses such a rule, too.
    fn ids(&self, range: IdRange) -> Option<Vec<IdRange>> {
        let knows = |id| self.0.iter().any(|extent| (extent.inside..=extent.last()).contains(&id));
        let piece = |extent: &Extent| {
            let first = range.first.max(extent.inside);
            let last = range.last.min(extent.last());
            let moved = |id: u32| extent.kernel.saturating_add(id - extent.inside);
            (first <= last).then(|| IdRange { first: moved(first), last: moved(last) })
        };
        (knows(range.first) && knows(range.last)).then(|| self.0.iter().filter_map(piece).collect())
    }
}

/// What the ids of a network namespace's owner are to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// Users.
    pub users: IdMap,
    /// Groups.
    pub groups: IdMap,
}

impl Ids {
    /// The kernel's own.
    #[must_use]
    pub fn plain() -> Self {
        Self { users: IdMap::plain(), groups: IdMap::plain() }
    }

    /// The policy with the kernel's ids.
    ///
    /// # Errors
    /// An id that is none there.
    pub(super) fn to_kernel(&self, policy: &Policy) -> Result<Policy, Unsupported> {
        let none = |key, what: &dyn std::fmt::Display| {
            let of = "in the user namespace that this network namespace belongs to";
            Unsupported::new(key, format!("means {what}, which is no id {of}; use one that its map has"))
        };
        let user = policy.sidecar_uid;
        let sidecar_uid = self.users.id(user).ok_or_else(|| none("kumaDPUser", &user))?;
        let mut exclusions = Vec::new();
        for exclusion in &policy.outbound.exclusions {
            match (exclusion.uids, exclusion.gids) {
                (Some(uids), _) => {
                    let key = "redirect.outbound.excludePortsForUIDs";
                    let pieces = self.users.ids(uids).ok_or_else(|| none(key, &uids))?;
                    let of = |uids| Exclusion { uids: Some(uids), ..exclusion.clone() };
                    exclusions.extend(pieces.into_iter().map(of));
                }
                (None, Some(gids)) => {
                    let pieces = self.groups.ids(gids);
                    let pieces = pieces.ok_or_else(|| none("redirect.outbound.excludeGIDs", &gids))?;
                    let of = |gids| Exclusion { gids: Some(gids), ..exclusion.clone() };
                    exclusions.extend(pieces.into_iter().map(of));
                }
                (None, None) => exclusions.push(exclusion.clone()),
            }
        }
        let mut policy = Policy { sidecar_uid, ..policy.clone() };
        policy.outbound.exclusions = exclusions;
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u32, last: u32) -> IdRange {
        IdRange { first, last }
    }

    #[test]
    fn ids_are_moved_with_their_extent_and_ranges_are_cut_at_its_ends() {
        let map =
            IdMap::read("      1000       1000          1\n         0     100000       1000\n").unwrap();
        assert_eq!((map.id(0), map.id(999), map.id(1000)), (Some(100_000), Some(100_999), Some(1000)));
        assert_eq!(map.id(1001), None);
        assert_eq!(map.ids(range(998, 1000)), Some(vec![range(100_998, 100_999), range(1000, 1000)]));
        assert_eq!(map.ids(range(998, 1001)), None);
    }

    #[test]
    fn the_first_user_namespace_moves_nothing() {
        let map = IdMap::read("         0          0 4294967295\n").unwrap();
        assert!(map.is_plain());
        assert_eq!(map.ids(range(0, u32::MAX - 1)), Some(vec![range(0, u32::MAX - 1)]));
    }

    #[test]
    fn a_map_that_is_none_is_told() {
        for text in ["0 0", "0 0 0", "0 0 1 1", "a 0 1"] {
            assert_eq!(IdMap::read(text), None, "{text}");
        }
        // Nobody wrote one so far: no id is known.
        assert_eq!(IdMap::read("").unwrap().id(0), None);
    }
}
