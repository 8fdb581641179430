//! One value as some source wrote it, and what every grammar needs to take it apart.
//!
//! Must never know which setting a value is for: the settings table pairs the two.

use super::first_few::FirstFew;
use crate::diagnostic::shortened;

/// A list has at most so many items: room for the 100,000 that somebody may have, and what reading them costs stays small.
pub const MOST: usize = 1 << 17;

/// A value before it has a type: flags and variables are text, files know more kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string, or any flag and variable.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping where a value belongs.
    Mapping,
    /// `null`, `~` or nothing.
    Null,
}

/// Why a value does not fit: what was found, and what is allowed instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    message: String,
    /// Which item of a list it is about, from 0.
    pub(super) item: Option<usize>,
}

/// All that is wrong with one value.
pub type Refusals = FirstFew<Refusal>;

/// What is allowed where a list is: as a whole, and as one of its items.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed<'a> {
    pub(super) list: &'a str,
    pub(super) item: &'a str,
}

impl<'a> From<&'a str> for Allowed<'a> {
    fn from(item: &'a str) -> Self {
        Self { list: item, item }
    }
}

/// A type that users write: how it is read from a value, and how it is written as one.
///
/// Writing and reading again gives the same.
pub trait Spelling: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What does not fit, each with what is allowed.
    fn read(value: &Value) -> Result<Self, Refusals>;

    /// Writes it.
    fn write(&self) -> Value;
}

impl Refusal {
    /// The same about a value that a file spells in another way: `0o17` is what people look for, not `15`.
    pub(super) fn quoting(&self, value: &Value, spelt: &str) -> String {
        let is_plain = matches!(value, Value::Integer(_) | Value::Float(_) | Value::Bool(_));
        let behind = self.message.strip_prefix(value.shown().as_str()).filter(|_| is_plain);
        // An alias says nothing about what it stands for.
        match behind.filter(|_| !spelt.is_empty() && !spelt.starts_with('*')) {
            Some(behind) => format!("`{}`{behind}", shortened(spelt)),
            None => self.message.clone(),
        }
    }

    /// A sentence behind the option's name.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), item: None }
    }

    /// `found` in quotes is not what is allowed.
    pub(super) fn of(found: &str, allowed: &str) -> Self {
        Self::about(found, format_args!("is not {allowed}"))
    }

    /// `found` in quotes, and what is wrong with it.
    pub(super) fn about(found: &str, wrong: impl std::fmt::Display) -> Self {
        Self::new(format!("`{}` {wrong}", shortened(found)))
    }
}

impl Value {
    /// The refusal of this value as a whole.
    pub(super) fn refuse<T>(&self, allowed: &str) -> Result<T, Refusals> {
        let message = match self {
            Self::Null => format!("has no value; give {allowed}, or leave the key out"),
            value => format!("{} is not {allowed}", value.shown()),
        };
        Err(Refusal::new(message).into())
    }

    /// Enough of it to recognise it by.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("`{}`", shortened(text)),
            Self::Integer(number) => format!("`{number}`"),
            Self::Float(number) => format!("`{number:?}`"),
            Self::Bool(value) => format!("`{value}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Mapping => "a mapping".to_owned(),
            Self::Null => "an empty value".to_owned(),
        }
    }

    fn shown_in_a_list(&self) -> String {
        match self {
            Self::List(_) => "a list in a list".to_owned(),
            Self::Mapping => "a mapping in a list".to_owned(),
            Self::Null => "an empty item".to_owned(),
            other => other.shown(),
        }
    }

    /// The text of a string or of a whole number, without blanks around it.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.trim().to_owned()),
            Self::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The items of a list, or the one item that a value alone is; nothing for an empty text.
    fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Text(text) if text.trim().is_empty() => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// Reads every item, each a text that `split` takes apart, and reports all that do not fit, blank ones among them.
    pub(super) fn each<'a, T>(
        &self,
        split: Option<char>,
        allowed: impl Into<Allowed<'a>>,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusals> {
        let allowed = allowed.into();
        self.each_item(
            split,
            allowed,
            |text| {
                if text.is_empty() {
                    Err(Refusal::new(format!("an empty item is not {}", allowed.item)))
                } else {
                    Ok(())
                }
            },
            read,
        )
    }

    /// The same for items that are comma lists themselves, of which a blank one has no part (Kuma behaviour).
    pub(super) fn each_part<T>(
        &self,
        allowed: Allowed<'_>,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusals> {
        self.each_item(Some(','), allowed, |_| Ok(()), read)
    }

    fn each_item<T>(
        &self,
        split: Option<char>,
        allowed: Allowed<'_>,
        check: impl Fn(&str) -> Result<(), Refusal>,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusals> {
        let (mut found, mut refused, mut read_parts) = (Vec::new(), Refusals::default(), 0);
        for (index, item) in self.items().iter().enumerate() {
            let mut note = |refusal: Refusal| {
                let item = matches!(self, Self::List(_)).then_some(index);
                refused.push(Refusal { item, ..refusal });
            };
            let Some(text) = item.word() else {
                note(Refusal::new(match self {
                    Self::List(_) => format!("{} is not {}", item.shown_in_a_list(), allowed.item),
                    alone => format!("{} is not {}", alone.shown(), allowed.list),
                }));
                continue;
            };
            check(&text).unwrap_or_else(&mut note);
            for part in parts(&text, split) {
                match read(part) {
                    Ok(value) => found.push(value),
                    Err(refusal) => note(refusal),
                }
                read_parts += 1;
                if read_parts > MOST {
                    refused.push(too_many());
                    return Err(refused);
                }
            }
        }
        if refused.is_empty() { Ok(found) } else { Err(refused) }
    }
}

/// A text at its separators; empty parts do not count (Kuma behaviour).
fn parts(text: &str, split: Option<char>) -> impl Iterator<Item = &str> {
    text.split(move |c| Some(c) == split).map(str::trim).filter(|part| !part.is_empty())
}

/// Digits only: `str::parse` would take a leading `+`, too.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The refusal of a list with more than [`MOST`] items.
pub(super) fn too_many() -> Refusal {
    Refusal::new(format!("has more than {MOST} items, which is more than tproxy takes in one list"))
}

/// A list as a file writes it.
pub(super) fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(|item| Value::Text(item.to_string())).collect())
}

impl Spelling for bool {
    /// The words that Go's `strconv.ParseBool` takes, as kumactl does.
    fn read(value: &Value) -> Result<Self, Refusals> {
        match value {
            Value::Bool(value) => Ok(*value),
            Value::Text(text) => match text.trim() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => value.refuse("`true` or `false`"),
            },
            _ => value.refuse("`true` or `false`"),
        }
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Spelling for u32 {
    /// A count: of seconds, microseconds or tries.
    fn read(value: &Value) -> Result<Self, Refusals> {
        let number =
            value.word().and_then(|text| decimal(&text)).and_then(|number| Self::try_from(number).ok());
        number.map_or_else(|| value.refuse("a whole number from 0 to 4294967295"), Ok)
    }

    fn write(&self) -> Value {
        Value::Integer((*self).into())
    }
}
