//! A list of which only the beginning is kept, and how much more there was: what is shown of something that may have
//! as many entries as a file has lines.
//!
//! Must never be used for what is worked with.

/// So many are kept: a screenful.
const KEPT: usize = 20;

/// The first few of many, and the number of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstFew<T> {
    kept: Vec<T>,
    more: usize,
}

impl<T> FirstFew<T> {
    /// Adds one, which is made only when it is kept.
    pub(super) fn push_with(&mut self, make: impl FnOnce() -> T) {
        if self.kept.len() < KEPT { self.kept.push(make()) } else { self.more += 1 }
    }

    /// Adds one.
    pub fn push(&mut self, entry: T) {
        self.push_with(|| entry);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        other.kept.into_iter().for_each(|entry| self.push(entry));
        self.more += other.more;
    }

    /// The same with every entry made into something else.
    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> FirstFew<U> {
        FirstFew { kept: self.kept.into_iter().map(change).collect(), more: self.more }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many there are, those not kept among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.len() + self.more
    }

    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter()
    }

    /// Each as a text, and in the end how many more there are.
    pub(super) fn texts(&self, text: impl FnMut(&T) -> String) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more like these", self.more));
        self.kept.iter().map(text).chain(more).collect()
    }
}

impl<T> Default for FirstFew<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), more: 0 }
    }
}

impl<T> From<T> for FirstFew<T> {
    fn from(entry: T) -> Self {
        Self { kept: vec![entry], more: 0 }
    }
}

impl<T> FromIterator<T> for FirstFew<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut found = Self::default();
        entries.into_iter().for_each(|entry| found.push(entry));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_the_first_are_kept_and_the_others_counted() {
        let mut many: FirstFew<usize> = (0..15).collect();
        many.extend((15..100).collect());
        assert_eq!(many.count(), 100);
        let texts = many.texts(ToString::to_string);
        assert_eq!(
            (texts.len(), texts[19].as_str(), texts[20].as_str()),
            (21, "19", "and 80 more like these")
        );
        let few: FirstFew<usize> = (0..20).collect();
        assert_eq!(few.texts(ToString::to_string).len(), 20);
    }
}
