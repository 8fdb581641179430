//! A value of a file, with its place.
//!
//! The same as serde-saphyr's, which can have no JSON schema here: a value with its place is written as the value.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Location;

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is used.
    pub referenced: Location,
    /// Where it is written: elsewhere, if it is used by an alias.
    pub defined: Location,
}

impl<T> Spanned<T> {
    /// A value that no file holds.
    pub fn unwritten(value: T) -> Self {
        Self { value, referenced: Location::UNKNOWN, defined: Location::UNKNOWN }
    }

    /// Whether a file holds it.
    pub fn is_written(&self) -> bool {
        self.referenced != Location::UNKNOWN
    }
}

impl<T: Default> Default for Spanned<T> {
    fn default() -> Self {
        Self::unwritten(T::default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let serde_saphyr::Spanned { value, referenced, defined } = Deserialize::deserialize(deserializer)?;
        Ok(Self { value, referenced, defined })
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
