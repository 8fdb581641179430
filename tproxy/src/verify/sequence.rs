//! What tells two sequences apart: what is missing, what is there besides, and what stands elsewhere.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// One difference, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// In the wanted sequence only.
    Missing(usize),
    /// In the seen sequence only.
    Foreign(usize),
    /// In both, and in the seen one not where its neighbours are; by its place there.
    Moved(usize),
}

/// The differences: what is missing in the wanted order, then what is foreign, then the fewest that moved.
pub(super) fn differences<T: Eq + Hash>(wanted: &[T], seen: &[T]) -> Vec<Difference> {
    let mut places: HashMap<&T, VecDeque<usize>> = HashMap::new();
    for (index, item) in wanted.iter().enumerate() {
        places.entry(item).or_default().push_back(index);
    }
    let mut pairs = Vec::new();
    let mut foreign = Vec::new();
    for (index, item) in seen.iter().enumerate() {
        match places.get_mut(item).and_then(VecDeque::pop_front) {
            Some(place) => pairs.push((place, index)),
            None => foreign.push(Difference::Foreign(index)),
        }
    }
    let mut missing: Vec<usize> = places.into_values().flatten().collect();
    missing.sort_unstable();
    let stay = longest_rise(&pairs);
    let moved = pairs.iter().filter(|(_, index)| stay.binary_search(index).is_err());
    let missing = missing.into_iter().map(Difference::Missing);
    missing.chain(foreign).chain(moved.map(|(_, index)| Difference::Moved(*index))).collect()
}

/// The seen indices of the longest part of `pairs` whose wanted places rise (patience sorting); they rise themselves.
fn longest_rise(pairs: &[(usize, usize)]) -> Vec<usize> {
    // Of each length, the pair that a rise of that length can end with at the lowest place.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let place = |index: &usize| pairs.get(*index).map(|(place, _)| *place);
    for (index, (wanted, _)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| place(end) < Some(*wanted));
        before.push(length.checked_sub(1).and_then(|length| ends.get(length)).copied());
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut rise = Vec::new();
    let mut next = ends.last().copied();
    while let Some(index) = next {
        rise.extend(pairs.get(index).map(|(_, seen)| *seen));
        next = before.get(index).copied().flatten();
    }
    rise.reverse();
    rise
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::Difference::{Foreign, Missing, Moved};
    use super::*;

    #[rstest]
    #[case("abc", "abc", &[])]
    #[case("abc", "ac", &[Missing(1)])]
    #[case("abc", "abxc", &[Foreign(2)])]
    #[case("abcd", "bcda", &[Moved(3)])]
    #[case("aab", "ab", &[Missing(1)])]
    #[case("ab", "abb", &[Foreign(2)])]
    #[case("abc", "", &[Missing(0), Missing(1), Missing(2)])]
    #[case("abcd", "xdab", &[Missing(2), Foreign(0), Moved(1)])]
    fn the_fewest_differences_are_found(
        #[case] wanted: &str,
        #[case] seen: &str,
        #[case] found: &[Difference],
    ) {
        assert_eq!(differences(wanted.as_bytes(), seen.as_bytes()), found);
    }

    proptest! {
        #[test]
        fn sequences_are_equal_when_nothing_differs(wanted in "[a-d]{0,8}", seen in "[a-d]{0,8}") {
            let found = differences(wanted.as_bytes(), seen.as_bytes());
            prop_assert_eq!(found.is_empty(), wanted == seen);
        }
    }
}
