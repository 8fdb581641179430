//! One rule as iptables' words, and how they are quoted in restore texts.
//!
//! Must never give a word a meaning beyond what ownership needs: the target and the comment.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{CHAIN_PREFIX, COMMENT_PREFIX};

/// The words of a rule without the command and the chain, in the order in which iptables-save prints them.
///
/// There may be 100,000 rules, so that one is one piece of memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Rule {
    /// Each word with a NUL behind it, which no argument of a program can hold.
    text: Box<str>,
}

impl Rule {
    /// A rule from its words, already taken apart. A NUL would end what programs read of a word: here it is left out.
    #[must_use]
    pub fn from_words<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Self {
        Self::with_room(0, words)
    }

    /// A rule from words that need no quotes, separated by blanks.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::with_room(text.len() + 1, text.split_whitespace())
    }

    /// Growing and shrinking would leave gaps in memory, each as large as a rule.
    fn with_room<T: AsRef<str>>(room: usize, words: impl IntoIterator<Item = T>) -> Self {
        let mut text = String::with_capacity(room);
        for word in words {
            text.extend(word.as_ref().split('\0'));
            text.push('\0');
        }
        Self { text: text.into_boxed_str() }
    }

    /// How long it is as a text, without quotes.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    /// Its words.
    pub fn words(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.text.split_terminator('\0')
    }

    /// Adds a comment, where iptables-save prints it: before the target.
    #[must_use]
    pub fn commented(&self, text: &str) -> Self {
        let comment = format!("{COMMENT_PREFIX}{text}");
        let comment = ["-m", "comment", "--comment", &comment];
        let target = self.words().position(is_target_option).unwrap_or(usize::MAX);
        let (before, behind) = (self.words().take(target), self.words().skip(target));
        let room = self.text.len() + comment.iter().map(|word| word.len() + 1).sum::<usize>();
        Self::with_room(room, before.chain(comment).chain(behind))
    }

    /// The rule without what it says about itself.
    #[must_use]
    pub fn without_comment(&self) -> Self {
        let mut words: Vec<&str> = self.words().collect();
        let comment = words.windows(3).position(|part| part == ["-m", "comment", "--comment"]);
        if let Some(at) = comment.filter(|at| at + 4 <= words.len()) {
            words.drain(at..at + 4);
        }
        Self::from_words(words)
    }

    /// The chain or extension that the rule jumps or goes to.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.after(is_target_option)
    }

    /// The comment, without quotes.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.after(|word| word == "--comment")
    }

    /// The protocol that a redirection matches, or none, and the one port that it leads to.
    pub(super) fn redirects_to(&self) -> Option<(&str, u16)> {
        let port = self.after(|word| word == "--to-ports").filter(|_| self.target() == Some("REDIRECT"))?;
        Some((self.after(|word| word == "-p").unwrap_or_default(), port.parse().ok()?))
    }

    /// Whether it is ours or Kuma's: it leads to one of our chains, or its comment begins with our prefix.
    ///
    /// A rule that only mentions these names, in a comment or elsewhere, is somebody else's. So is one with a line break:
    /// neither of us writes such, and no restore text can hold it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        if self.text.contains('\n') {
            return false;
        }
        self.target().is_some_and(|target| target.starts_with(CHAIN_PREFIX))
            || self.comment().is_some_and(|comment| comment.starts_with(COMMENT_PREFIX))
    }

    /// Whether the words are those of `shape`, in which `*` stands for any one word.
    #[must_use]
    pub(super) fn reads_like(&self, shape: &str) -> bool {
        self.compared(shape).is_some()
    }

    /// The word that stands where `shape` has `?`, when the others are those of `shape`; `*` stands for any one word.
    #[must_use]
    pub(super) fn word_at(&self, shape: &str) -> Option<&str> {
        self.compared(shape)?
    }

    fn compared(&self, shape: &str) -> Option<Option<&str>> {
        let mut wanted = shape.split(' ');
        let mut found = None;
        for word in self.words() {
            match wanted.next()? {
                // No restore text can hold a line break.
                _ if word.contains('\n') => return None,
                "?" => found = Some(word),
                "*" => {}
                other if other == word => {}
                _ => return None,
            }
        }
        wanted.next().is_none().then_some(found)
    }

    /// The word behind an option. What a comment says is no option, whatever it looks like.
    fn after(&self, option: impl Fn(&str) -> bool) -> Option<&str> {
        let mut words = self.words();
        while let Some(word) = words.next() {
            if option(word) {
                return words.next();
            }
            if word == "--comment" {
                words.next();
            }
        }
        None
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for Rule {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        words(&text).map(Self::from_words).ok_or("a rule with an open quote")
    }
}

fn is_target_option(word: &str) -> bool {
    matches!(word, "-j" | "-g" | "--jump" | "--goto")
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

/// Quotes what a restore parser would split or unescape (iptables' xtables_save_string).
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    let plain =
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/!+@%,=".contains(&b));
    if plain {
        return Cow::Borrowed(word);
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Cow::Owned(text)
}

/// Takes a line of a restore text apart, as iptables-restore does: blanks separate, double quotes hold together, a
/// backslash between them takes the next character as it is. `None` when a quote is not closed, or with a NUL, which no
/// program prints.
#[must_use]
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut in_quotes = false;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                in_quotes = !in_quotes;
                current.get_or_insert_default();
            }
            '\\' if in_quotes => current.get_or_insert_default().push(characters.next()?),
            c if c.is_ascii_whitespace() && !in_quotes => words.extend(current.take()),
            c => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    (!in_quotes && !line.contains('\0')).then_some(words)
}

/// A restore text with iptables' long option names, for people, without a line break at its end.
#[must_use]
pub fn lengthened(text: &str) -> impl fmt::Display {
    let lines = text.trim_end().lines();
    fmt::from_fn(move |f| {
        for (index, line) in lines.clone().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            lengthened_line(line, f)?;
        }
        Ok(())
    })
}

fn lengthened_line(line: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(words) = words(line).filter(|_| line.starts_with('-')) else { return f.write_str(line) };
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        f.write_str(&lengthened_word(word))?;
    }
    Ok(())
}

fn lengthened_word(word: &str) -> Cow<'_, str> {
    Cow::Borrowed(match word {
        "-A" => "--append",
        "-I" => "--insert",
        "-D" => "--delete",
        "-F" => "--flush",
        "-X" => "--delete-chain",
        "-p" => "--protocol",
        "-s" => "--source",
        "-d" => "--destination",
        "-i" => "--in-interface",
        "-o" => "--out-interface",
        "-m" => "--match",
        "-j" => "--jump",
        "--dport" => "--destination-port",
        other => return quoted(other),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("-p tcp -j KUMA_MESH_OUTBOUND", true)]
    #[case("-p tcp -g KUMA_MESH_INBOUND", true)]
    #[case("-p udp -m comment --comment kuma/mesh/transparent/proxy/x -j RETURN", true)]
    #[case(r#"-m comment --comment "mentions KUMA_MESH_OUTBOUND" -j ACCEPT"#, false)]
    #[case(r#"-m comment --comment "it\'s \"-j KUMA_MESH_OUTBOUND\"" -j ACCEPT"#, false)]
    #[case(r#"-m comment --comment "not kuma/mesh/transparent/proxy/" -j ACCEPT"#, false)]
    #[case("-m comment --comment -j -j KUMA_MESH_OUTBOUND", true)]
    #[case("-m comment --comment -j -j ACCEPT", false)]
    #[case("-j NOT_KUMA_MESH_OUTBOUND", false)]
    // Deleting these would write a line of somebody else's into a restore text.
    #[case("-m comment --comment \"kuma/mesh/transparent/proxy/x\n-F OUTPUT\n\" -j RETURN", false)]
    #[case("-m comment --comment \"x\n-F OUTPUT\n\" -j KUMA_MESH_OUTBOUND", false)]
    fn only_our_targets_and_our_comments_make_a_rule_ours(#[case] line: &str, #[case] ours: bool) {
        assert_eq!(Rule::from_words(words(line).unwrap()).is_ours(), ours);
    }

    #[test]
    fn a_rule_without_its_comment_is_the_rule_that_was_commented() {
        for text in ["-p tcp -j KUMA_MESH_OUTBOUND", "-g KUMA_MESH_X", "-p udp -m owner --uid-owner 7"] {
            assert_eq!(Rule::new(text).commented("x").without_comment(), Rule::new(text));
            assert_eq!(Rule::new(text).without_comment(), Rule::new(text));
        }
    }

    #[test]
    fn a_backslash_escapes_between_quotes_only() {
        // As iptables-restore reads it (add_param_to_argv in iptables/xshared.c). Found by fuzzing.
        assert_eq!(words(r#"-A X\ -j Y\Z "a\"b\\c""#).unwrap(), ["-A", r"X\", "-j", r"Y\Z", r#"a"b\c"#]);
    }

    #[test]
    fn an_open_quote_is_no_rule() {
        assert_eq!(words(r#"-m comment --comment "open -j ACCEPT"#), None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(list in proptest::collection::vec("[^\\x00-\\x1f]{0,12}", 0..6)) {
            let rule = Rule::from_words(list.clone());
            prop_assert_eq!(words(&rule.to_string()), Some(list));
        }
    }
}
