//! Rules that no flow can miss: each with the reason, so that whoever doubts it can look.
//!
//! Must never hold a rule for which only a scenario is lacking.

use serde::Deserialize;

const LIST: &str = include_str!("equivalent.yaml");

/// A rule that no flow can miss.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Equivalent {
    /// Table, chain and rule; `*` stands for any text.
    rule: String,
    /// Why.
    pub(super) because: String,
}

/// All of them.
pub(super) fn all() -> Result<Vec<Equivalent>, String> {
    serde_saphyr::from_str(LIST).map_err(|error| format!("the list of equivalent rules is wrong: {error}"))
}

impl Equivalent {
    /// Whether it is this rule.
    pub(super) fn is(&self, rule: &str) -> bool {
        let Some((first, others)) = self.rule.split_once('*') else { return self.rule == rule };
        let Some(mut rest) = rule.strip_prefix(first) else { return false };
        let mut parts = others.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.split_once(part) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        let equivalent = |rule: &str| Equivalent { rule: rule.to_owned(), because: String::new() };
        assert!(equivalent("a * b * c").is("a 1 b 2 c"));
        assert!(!equivalent("a * b * c").is("a 1 b 2 d"));
        assert!(!equivalent("a *").is("b a 1"));
        assert!(equivalent("a b").is("a b") && !equivalent("a b").is("a b c"));
    }

    #[test]
    fn every_one_has_a_reason() {
        assert!(all().unwrap().iter().all(|one| !one.because.is_empty()));
    }
}
