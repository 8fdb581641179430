//! `${name}`, which stands for the value of a variable wherever it is written; `$${` stands for `${`.
//!
//! Pure. It is replaced before the text is read as YAML, so that it may stand in any style, and in a part of a word.

use std::collections::BTreeMap;
use std::ops::Range;

use tproxy::diagnostic::suggest;

/// A name that is no variable's.
#[derive(Debug, thiserror::Error)]
#[error("there is no variable `{name}`{hint} (`$${{` stands for `${{`)")]
pub(super) struct Unknown {
    name: String,
    hint: String,
    /// Where it stands, in bytes of the text.
    pub(super) offset: usize,
}

/// One place where a variable is used.
struct Use<'a> {
    name: &'a str,
    /// From the `$` to the `}`, in bytes of the text.
    at: Range<usize>,
    /// It stands behind another `$`, and so for itself.
    is_itself: bool,
}

fn uses(text: &str) -> impl Iterator<Item = Use<'_>> {
    text.match_indices("${").filter_map(|(start, opening)| {
        let (name, _) = text.get(start + opening.len()..)?.split_once('}')?;
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        let at = start..start + opening.len() + name.len() + 1;
        is_name.then(|| Use {
            name,
            at,
            is_itself: text.get(..start).is_some_and(|before| before.ends_with('$')),
        })
    })
}

/// The text with a harmless word of the same length for each variable.
pub(super) fn blank(text: &str) -> String {
    let mut blank = text.to_owned();
    for Use { at, .. } in uses(text) {
        blank.replace_range(at.clone(), &"_".repeat(at.len()));
    }
    blank
}

/// The text with the value of each variable. Without any, `${…}` stays what it is: it may be meant for a shell.
///
/// # Errors
/// There are variables, but none of a name that is used.
pub(super) fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, Unknown> {
    if values.is_empty() {
        return Ok(text.to_owned());
    }
    let (mut filled, mut done) = (String::new(), 0);
    for Use { name, at, is_itself } in uses(text) {
        let before = text.get(done..at.start).unwrap_or_default();
        done = at.end;
        if is_itself {
            filled.push_str(before.strip_suffix('$').unwrap_or(before));
            filled.push_str(text.get(at).unwrap_or_default());
            continue;
        }
        let value = values.get(name).ok_or_else(|| unknown(name, values, at.start))?;
        filled.push_str(before);
        filled.push_str(value);
    }
    filled.push_str(text.get(done..).unwrap_or_default());
    Ok(filled)
}

fn unknown(name: &str, values: &BTreeMap<String, String>, offset: usize) -> Unknown {
    let near = suggest(name, values.keys().map(String::as_str));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Unknown { name: name.to_owned(), hint, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<String, String> {
        BTreeMap::from([("who".to_owned(), "peer".to_owned())])
    }

    #[test]
    fn a_variable_may_stand_anywhere() {
        let filled = fill("{ to: \"${who}:80\", run: [\"$${who}\"], x: $who }", &values()).unwrap();
        assert_eq!(filled, "{ to: \"peer:80\", run: [\"${who}\"], x: $who }");
    }

    #[test]
    fn another_name_is_told_with_the_one_that_was_meant() {
        let unknown = fill("a: ${wo}", &values()).unwrap_err();
        assert_eq!(unknown.offset, 3);
        assert_eq!(
            unknown.to_string(),
            "there is no variable `wo`; did you mean `who`? (`$${` stands for `${`)"
        );
    }

    #[test]
    fn a_file_without_variables_is_read_as_it_is() {
        assert_eq!(fill("a: ${HOME}", &BTreeMap::new()).unwrap(), "a: ${HOME}");
        assert_eq!(blank("{ a: ${who} }"), "{ a: ______ }");
    }
}
