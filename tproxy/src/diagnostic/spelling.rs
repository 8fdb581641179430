//! Finds the word that a misspelt one was probably meant to be.
//!
//! Must never know what the words are for.

/// No name here has so many letters; comparing costs the product of both lengths.
const LONGEST: usize = 80;

/// The entry of `known` that `word` was probably meant to be: at most a third of its letters off.
#[must_use]
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().take(LONGEST + 1).count();
    if length > LONGEST {
        return None;
    }
    let (word, limit) = (word.to_lowercase(), length.div_ceil(3));
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i + 1);
        let mut before = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let substituted = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = substituted.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_one_none() {
        assert_eq!(suggest("redirct", ["redirect", "retry"]), Some("redirect"));
        assert_eq!(suggest("completely-else", ["redirect", "retry"]), None);
        assert_eq!(suggest(&"redirect".repeat(100), ["redirect"]), None);
    }
}
