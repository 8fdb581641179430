//! The bytes of a configuration file become a text, or what is wrong with them at its place.
//!
//! Must never guess an encoding: what is not UTF-8 is refused.

use std::sync::Arc;

use super::problem::{Origin, Problem};
use crate::diagnostic::{Place, Source};

/// The largest file that is read, in bytes: room for 100,000 exclusions, and little enough to hold many times over.
pub const LARGEST: usize = 4 << 20;
/// So much of a file that is too large is kept to show where it begins.
const SHOWN: usize = 1 << 10;
/// What some editors put before a text, and is no part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text that the bytes of a file are.
pub(super) fn source(name: String, mut bytes: Vec<u8>) -> Result<Arc<Source>, Problem> {
    let size = bytes.len();
    if size > LARGEST {
        bytes.truncate(SHOWN);
    }
    let is_wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let (mut text, foreign) = match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some((at, byte)))
        }
    };
    if foreign.is_none() && text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    let source = Arc::new(Source { name, text });
    let refused = |at: usize, message: String| {
        Err(Problem::new(Origin::File(Place::of_byte(&source, at)), "", message))
    };
    match (foreign, source.text.find('\0')) {
        _ if size > LARGEST => {
            refused(0, format!("the file is larger than {} MiB; give a smaller one", LARGEST >> 20))
        }
        (Some(_), _) if is_wide => refused(0, "the file is UTF-16 text; save it as UTF-8".to_owned()),
        (Some((at, byte)), _) => {
            refused(at, format!("byte {byte:#04x} is not UTF-8 text; save the file as UTF-8"))
        }
        (None, Some(at)) => {
            refused(at, "a NUL byte stands here, which no text has; save the file as UTF-8 text".to_owned())
        }
        (None, None) => Ok(source),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"a: 1\nb: \xff9\n", "byte 0xff is not UTF-8 text; save the file as UTF-8\n --> f:2:4\n")]
    #[case(b"\xc3\xb6: \xe9t\xe9\n", "byte 0xe9 is not UTF-8 text; save the file as UTF-8\n --> f:1:4\n")]
    #[case(
        b"a: 1\r\n\xc3\xb6: x\0\n",
        "a NUL byte stands here, which no text has; save the file as UTF-8 text\n --> f:2:5\n"
    )]
    #[case(b"w\0a\0", "a NUL byte stands here, which no text has; save the file as UTF-8 text\n --> f:1:2\n")]
    #[case(b"\xff\xfew\0", "the file is UTF-16 text; save it as UTF-8\n --> f:1:1\n")]
    fn bytes_that_are_no_text_are_told_at_their_place(#[case] bytes: &[u8], #[case] said: &str) {
        let problem = source("f".to_owned(), bytes.to_vec()).unwrap_err().to_string();
        assert!(problem.starts_with(said), "{problem}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(source("f".to_owned(), b"\xef\xbb\xbfa: 1".to_vec()).unwrap().text, "a: 1");
    }
}
