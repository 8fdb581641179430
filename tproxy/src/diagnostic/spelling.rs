//! Finds the word that a misspelt one was probably meant to be.
//!
//! Must never know what the words are for.

/// No name here has so many letters; comparing costs the product of both lengths.
const LONGEST: usize = 80;

/// The entry of `known` that `word` was probably meant to be: at most a quarter of its letters off.
#[must_use]
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().take(LONGEST + 1).count();
    if length > LONGEST {
        return None;
    }
    let (word, limit) = (word.to_lowercase(), length.div_ceil(4));
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance, in which two neighbours that changed places are one edit, too.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    for (i, left) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let substituted = at(&row, j) + usize::from(left != *right);
            let mut cell = substituted.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let changed =
                j.checked_sub(1).filter(|other| b.get(*other) == Some(&left) && last == Some(*right));
            if let Some(two) = changed {
                cell = cell.min(at(&before, two) + 1);
            }
            next.push(cell);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(left);
    }
    at(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_one_none() {
        assert_eq!(suggest("redirct", ["redirect", "retry"]), Some("redirect"));
        assert_eq!(suggest("wiat", ["wait"]), Some("wait"));
        assert_eq!(suggest("log", ["dns"]), None);
        assert_eq!(suggest("excludeGIDs", ["excludePorts"]), None);
        assert_eq!(suggest("completely-else", ["redirect", "retry"]), None);
        assert_eq!(suggest(&"redirect".repeat(100), ["redirect"]), None);
    }
}
