//! The arguments of a direct rule, as firewalld splits and joins them: by the rules of a POSIX shell (Python's `shlex`).
//!
//! Must never split in another way than firewalld: what is ours is told by the words.

use crate::iptables::rule::Rule;

/// The words of a text; `None` when a quote is not closed.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(current.take()),
            '\\' => current.get_or_insert_default().push(characters.next()?),
            '\'' | '"' => quoted(c, &mut characters, current.get_or_insert_default())?,
            c => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    Some(words)
}

/// Takes in what stands up to the closing `quote`. Between double quotes a backslash takes a quote or a backslash; before
/// anything else it stands for itself.
fn quoted(quote: char, characters: &mut impl Iterator<Item = char>, word: &mut String) -> Option<()> {
    loop {
        match characters.next()? {
            c if c == quote => return Some(()),
            '\\' if quote == '"' => {
                let next = characters.next()?;
                if next != '"' && next != '\\' {
                    word.push('\\');
                }
                word.push(next);
            }
            c => word.push(c),
        }
    }
}

/// The text that [`split`] takes apart into the words of `rule`.
pub(super) fn join(rule: &Rule) -> String {
    rule.words().map(quote).collect::<Vec<_>>().join(" ")
}

fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/!+@%,=".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// What Python's `shlex.split` says.
    #[rstest]
    #[case("-p tcp\n\t-j  X", Some(vec!["-p", "tcp", "-j", "X"]))]
    #[case(r#"'a b' "c d" e\ f"#, Some(vec!["a b", "c d", "e f"]))]
    #[case(r#""a\"b\\c\d" 'e\f'"#, Some(vec!["a\"b\\c\\d", "e\\f"]))]
    #[case("a'b'\"c\" '' #d", Some(vec!["abc", "", "#d"]))]
    #[case("'open", None)]
    #[case("\"open", None)]
    #[case("end\\", None)]
    fn arguments_are_split_as_firewalld_does(#[case] text: &str, #[case] words: Option<Vec<&str>>) {
        let words = words.map(|words| words.into_iter().map(str::to_owned).collect());
        assert_eq!(split(text), words);
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_back(words in proptest::collection::vec("[^\\x00\n]{0,8}", 0..5)) {
            prop_assert_eq!(split(&join(&Rule::from_words(words.clone()))), Some(words));
        }
    }
}
