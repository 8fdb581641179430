//! Which key somebody probably meant who wrote one that no setting has.
//!
//! Must never guess at length: a hint that is wrong costs more than none.

use std::collections::BTreeSet;

use super::settings;
use crate::diagnostic::suggest;

/// More places than these are no hint.
const MOST: usize = 4;

/// What to say behind "is not a known key": nothing where no key is near.
pub(super) fn hint(path: &str) -> String {
    let (section, word) = path.rsplit_once('.').unwrap_or(("", path));
    let known = known();
    let elsewhere = |name: &str| -> Vec<&str> {
        known.iter().copied().filter(|key| last(key).eq_ignore_ascii_case(name)).collect()
    };
    let same = elsewhere(word);
    if !same.is_empty() {
        return moved(&same);
    }
    let beside = known.iter().copied().filter(|key| above(key).eq_ignore_ascii_case(section));
    if let Some(near) = suggest(word, beside.map(last)) {
        return format!("; did you mean `{near}`?");
    }
    let near = suggest(word, known.iter().copied().map(last));
    near.map_or_else(String::new, |near| moved(&elsewhere(near)))
}

fn moved(keys: &[&str]) -> String {
    match keys {
        [key] if above(key).is_empty() => format!("; did you mean `{key}`, which stands in no section?"),
        [first @ .., last] if !first.is_empty() && keys.len() <= MOST => {
            format!("; did you mean `{}` or `{last}`?", first.join("`, `"))
        }
        [key] => format!("; did you mean `{key}`?"),
        _ => String::new(),
    }
}

/// The names of what stands directly below a section.
pub(super) fn below(section: &str) -> Vec<&'static str> {
    let names = known().into_iter().filter(|key| above(key).eq_ignore_ascii_case(section));
    names.map(last).collect()
}

/// All keys, those of sections among them.
fn known() -> BTreeSet<&'static str> {
    let paths = |key: &'static str| {
        let sections = key.match_indices('.').filter_map(move |(dot, _)| key.get(..dot));
        sections.chain([key])
    };
    settings::all().flat_map(|setting| paths(setting.key)).collect()
}

fn last(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, last)| last)
}

fn above(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(above, _)| above)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::misspelt("redirct", "; did you mean `redirect`?")]
    #[case::misspelt_in_a_section("redirect.inbound.prt", "; did you mean `port`?")]
    #[case::of_the_root(
        "redirect.ipFamilyMode",
        "; did you mean `ipFamilyMode`, which stands in no section?"
    )]
    #[case::of_the_root_in_another_case(
        "redirect.inbound.VERBOSE",
        "; did you mean `verbose`, which stands in no section?"
    )]
    #[case::misspelt_and_of_the_root(
        "redirect.ipFamilyMod",
        "; did you mean `ipFamilyMode`, which stands in no section?"
    )]
    #[case::of_a_section("inbound", "; did you mean `redirect.inbound`?")]
    #[case::misspelt_and_of_a_section("inbund", "; did you mean `redirect.inbound`?")]
    #[case::of_another_section(
        "redirect.inbound.excludeGIDs",
        "; did you mean `redirect.outbound.excludeGIDs`?"
    )]
    #[case::of_two_sections(
        "excludePorts",
        "; did you mean `redirect.inbound.excludePorts` or `redirect.outbound.excludePorts`?"
    )]
    #[case::of_three_sections(
        "port",
        "; did you mean `redirect.dns.port`, `redirect.inbound.port` or `redirect.outbound.port`?"
    )]
    #[case::foreign("apiVersion", "")]
    #[case::foreign_in_a_section("redirect.inbound.zzz", "")]
    #[case::short("x", "")]
    fn a_hint_is_given_where_a_key_is_near(#[case] path: &str, #[case] said: &str) {
        assert_eq!(hint(path), said);
    }
}
