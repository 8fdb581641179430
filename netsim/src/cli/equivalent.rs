//! Mutants that no flow can notice: each with the reason, and with a scenario that passes with it.
//!
//! Must never hold a mutant for which only a scenario is lacking.

use std::path::Path;

use serde::Deserialize;

const LIST: &str = include_str!("equivalent.yaml");
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");

/// A mutant that no flow can notice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Equivalent {
    /// The mutant as it is printed; `*` stands for any text.
    rule: String,
    /// Why.
    pub(super) because: String,
    /// The scenario that drives every flow that the rule matches, as in `outbound/off`.
    pub(super) experiment: String,
}

/// All of them.
pub(super) fn all() -> Result<Vec<Equivalent>, String> {
    listed(LIST, Path::new(SCENARIOS))
}

fn listed(text: &str, scenarios: &Path) -> Result<Vec<Equivalent>, String> {
    let wrong = |what: String| format!("the list of equivalent rules is wrong: {what}");
    let all: Vec<Equivalent> = serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
    for Equivalent { rule, experiment, .. } in &all {
        let file = scenarios.join(format!("{experiment}.yaml"));
        if !file.is_file() {
            return Err(wrong(format!("the experiment for `{rule}` is not there: {}", file.display())));
        }
    }
    Ok(all)
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
        let equivalent = |rule: &str| Equivalent {
            rule: rule.to_owned(),
            because: String::new(),
            experiment: String::new(),
        };
        assert!(equivalent("a * b * c").is("a 1 b 2 c"));
        assert!(!equivalent("a * b * c").is("a 1 b 2 d"));
        assert!(!equivalent("a *").is("b a 1"));
        assert!(equivalent("a b").is("a b") && !equivalent("a b").is("a b c"));
    }

    #[test]
    fn every_one_has_a_reason_and_an_experiment_that_is_there() {
        assert!(all().unwrap().iter().all(|one| !one.because.is_empty()));
    }

    #[test]
    fn without_its_experiment_a_rule_is_not_taken_for_equivalent() {
        let text = "- { rule: r, because: it is so, experiment: outbound/nowhere }";
        let refused = listed(text, Path::new(SCENARIOS)).unwrap_err();
        assert!(refused.contains("the experiment for `r` is not there"), "{refused}");
        assert!(listed("- { rule: r, because: it is so }", Path::new(SCENARIOS)).is_err());
    }
}
