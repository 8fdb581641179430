//! A line of iptables-save that holds a rule, taken apart.
//!
//! Not the grammar that iptables-restore reads: iptables-save prints the names of interfaces, chains and sets as they are,
//! whatever is in them, and quotes nothing but the texts of matches and targets. Must never join what it cannot read with
//! what it can.

use super::rule::Rule;

/// What a text holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Printed {
    /// A whole rule.
    Whole(Rule),
    /// A whole rule, unless the name of an interface at its end goes on behind a line break.
    WholeOrOpen(Rule),
    /// A rule with an open quote: a line break is in a text.
    Open,
    /// No rule as iptables-save prints it.
    Unreadable,
}

/// What may stand behind the name of an interface.
const BEHIND_INTERFACE: [&str; 7] = ["!", "-o", "-p", "-f", "-m", "-j", "-g"];

/// Reads the words of a rule, without the command and the chain.
pub(super) fn read(text: &str) -> Printed {
    let mut words: Vec<String> = Vec::new();
    // Interfaces are named before any match, in which the same words mean other things.
    let (mut before_matches, mut is_interface) = (true, false);
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        let option = words.last().map_or("", String::as_str);
        is_interface = before_matches && !is_interface && matches!(option, "-i" | "-o");
        let is_target = matches!(option, "-j" | "-g");
        let (word, behind) = match rest.strip_prefix('"') {
            _ if is_interface => interface(rest),
            Some(quoted) if !is_target => match unquoted(quoted) {
                Ok(read) => read,
                Err(printed) => return printed,
            },
            _ => literal(rest),
        };
        before_matches &= is_interface || !matches!(word.as_str(), "-m" | "-j" | "-g");
        words.push(word);
        rest = behind;
    }
    let rule = Rule::from_words(words);
    if is_interface { Printed::WholeOrOpen(rule) } else { Printed::Whole(rule) }
}

/// A word as it is.
fn literal(text: &str) -> (String, &str) {
    let (word, behind) = text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()));
    (word.to_owned(), behind)
}

/// The name of an interface, blanks included: it ends before an option.
fn interface(text: &str) -> (String, &str) {
    let mut blanks = text.match_indices(' ').map(|(at, _)| at);
    let ends = |at: &usize| {
        let next = text.get(at + 1..).unwrap_or_default();
        BEHIND_INTERFACE.contains(&next.split(' ').next().unwrap_or_default())
    };
    let (name, behind) = text.split_at(blanks.find(ends).unwrap_or(text.len()));
    (name.to_owned(), behind)
}

/// A text up to its closing quote, in which a backslash takes the next character as it is. Behind the quote a blank stands,
/// or nothing.
fn unquoted(text: &str) -> Result<(String, &str), Printed> {
    let mut word = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => word.push(characters.next().ok_or(Printed::Open)?.1),
            '"' => {
                let behind = text.get(at + 1..).unwrap_or_default();
                let ends = behind.is_empty() || behind.starts_with(|c: char| c.is_ascii_whitespace());
                return if ends { Ok((word, behind)) } else { Err(Printed::Unreadable) };
            }
            c => word.push(c),
        }
    }
    Err(Printed::Open)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"! -i "x -p tcp -j RETURN"#, &["!", "-i", "\"x", "-p", "tcp", "-j", "RETURN"])]
    #[case(r#"-i a b -o k"k -j X"#, &["-i", "a b", "-o", "k\"k", "-j", "X"])]
    #[case("-i a\nb -p tcp -j X", &["-i", "a\nb", "-p", "tcp", "-j", "X"])]
    #[case(r#"-i -j -j "q"#, &["-i", "-j", "-j", "\"q"])]
    #[case(r#"-i -i -o -o -j X"#, &["-i", "-i", "-o", "-o", "-j", "X"])]
    #[case(r#"-m set --match-set a"b src -j a"b"#, &["-m", "set", "--match-set", "a\"b", "src", "-j", "a\"b"])]
    #[case(r#"-m comment --comment "-i \"x\" \\" -j X"#, &["-m", "comment", "--comment", r#"-i "x" \"#, "-j", "X"])]
    #[case(r#"-m comment --comment -i -m comment --comment "a b" -j X"#,
        &["-m", "comment", "--comment", "-i", "-m", "comment", "--comment", "a b", "-j", "X"])]
    #[case(r#"-j LOG --log-prefix "x \"y" "#, &["-j", "LOG", "--log-prefix", "x \"y"])]
    fn names_are_taken_as_they_are_and_texts_without_their_quotes(
        #[case] text: &str,
        #[case] words: &[&str],
    ) {
        assert_eq!(read(text), Printed::Whole(Rule::from_words(words)));
    }

    #[rstest]
    #[case(r#"-m comment --comment "one"#, Printed::Open)]
    #[case(r#"-m comment --comment "one\"#, Printed::Open)]
    #[case(r#"-m set --match-set "a src -m comment --comment "kuma""#, Printed::Unreadable)]
    #[case("-i a", Printed::WholeOrOpen(Rule::new("-i a")))]
    fn what_is_not_whole_is_not_read(#[case] text: &str, #[case] printed: Printed) {
        assert_eq!(read(text), printed);
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(texts in proptest::collection::vec("[^\\x00]{1,12}", 0..4)) {
            let words = texts.into_iter().flat_map(|text| ["--comment".to_owned(), text]);
            let rule = Rule::from_words(["-m", "x"].map(str::to_owned).into_iter().chain(words));
            // iptables-save does not print a name without quotes that begins with one.
            prop_assume!(!rule.words().any(|word| matches!(word, "-j" | "-g")));
            prop_assert_eq!(read(&rule.to_string()), Printed::Whole(rule));
        }
    }
}
