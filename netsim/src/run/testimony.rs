//! What is told of a variant that failed, so that somebody can go on from there.
//!
//! Pure.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::scenario::Variant;

/// How to learn more of a variant that failed.
#[derive(Debug, Clone)]
pub struct Testimony {
    /// The folder with everything that was seen, or why there is none; `None` where none was wanted.
    pub folder: Option<Result<PathBuf, String>>,
    /// The command line that runs the variant alone.
    pub alone: String,
}

impl fmt::Display for Testimony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(Ok(folder)) => writeln!(f, "evidence: {}", folder.display())?,
            Some(Err(error)) => writeln!(f, "no evidence: {error}")?,
            None => {}
        }
        write!(f, "to run it alone: {}", self.alone)
    }
}

/// The command line that runs a variant alone: of its file, the id is the name.
pub(super) fn command_line(variant: &Variant, seed: u64) -> String {
    let file = &variant.scenario.source.name;
    format!("netsim run {} --only {} --seed {seed}", quoted(file), quoted(&alone(variant)))
}

/// A variant's name when its file is run alone, by which its ports are found again, however it was run the first time.
pub(super) fn alone(variant: &Variant) -> String {
    let id = Path::new(&variant.scenario.source.name).file_stem().unwrap_or_default().to_string_lossy();
    format!("{id}::{}::{}", variant.backend, variant.family)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("default::iptables-nft::ipv4"), "default::iptables-nft::ipv4");
        assert_eq!(quoted("it's $HOME.yaml"), r"'it'\''s $HOME.yaml'");
        assert_eq!(quoted(""), "''");
    }
}
