//! A compact JSON tree that keeps member order, refuses duplicates and bounds its depth.

mod read;

use std::fmt;

use serde::{Serialize, Serializer};

pub use read::{JsonError, JsonProblem, MAX_JSON_DEPTH};

/// A JSON value. Its `Debug` shows the content: print it only where the content may be seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string, unescaped.
    String(Box<str>),
    /// An array.
    List(Box<[Self]>),
    /// An object: members in the order of the text, names unique.
    Object(Box<[(Box<str>, Self)]>),
}

impl Value {
    /// Reads one JSON text (RFC 8259), strictly: no duplicate member at any depth, no byte order
    /// mark, nothing after the value, at most [`MAX_JSON_DEPTH`] levels.
    ///
    /// # Errors
    /// When the text is not such a value.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        read::parse(json)
    }

    /// The member of that name, when this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| value)
    }

    /// Follows `path` through objects only, as Istio does; lists are never entered.
    /// The empty path is the value itself.
    pub fn path<S: AsRef<str>>(&self, path: &[S]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |value, step| value.get(step.as_ref()))
    }

    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The elements, when this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(elements) = self {
            Some(elements)
        } else {
            None
        }
    }

    /// The members, when this is an object.
    pub fn as_object(&self) -> Option<&[(Box<str>, Self)]> {
        if let Self::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// What kind of value this is, in words for messages: `string`, `number`, …
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        }
    }

    /// Bytes on the heap below this value.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::List(elements) => elements
                .iter()
                .map(|element| size_of::<Self>() + element.heap())
                .sum(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| size_of::<(Box<str>, Self)>() + name.len() + value.heap())
                .sum(),
        }
    }

    /// Compact JSON, members in the order they came in.
    pub fn to_json(&self) -> String {
        // Cannot fail: every name is a string and every number is finite.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

/// A JSON number. Integers of 64 bits are exact; all else is the nearest finite double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(Repr);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Repr {
    /// Zero or more.
    Unsigned(u64),
    /// Less than zero.
    Negative(i64),
    /// Finite.
    Float(f64),
}

impl Number {
    /// The number, when it was written as an integer from 0 to 2^64-1.
    pub const fn as_u64(self) -> Option<u64> {
        if let Repr::Unsigned(number) = self.0 {
            Some(number)
        } else {
            None
        }
    }

    /// The number, when it was written as an integer from -2^63 to 2^63-1.
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Unsigned(number) => i64::try_from(number).ok(),
            Repr::Negative(number) => Some(number),
            Repr::Float(_) => None,
        }
    }

    /// The nearest double.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    pub const fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Unsigned(number) => number as f64,
            Repr::Negative(number) => number as f64,
            Repr::Float(number) => number,
        }
    }

    /// Seconds since 1970 as Envoy reads a NumericDate: the fraction is dropped; `None` below 0 and
    /// from 2^64 on.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded just before; dropping the fraction is the point"
    )]
    pub fn seconds(self) -> Option<u64> {
        const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
        match self.0 {
            Repr::Unsigned(number) => Some(number),
            Repr::Float(number) if (0.0..TWO_TO_64).contains(&number) => Some(number as u64),
            Repr::Negative(_) | Repr::Float(_) => None,
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(Repr::Unsigned(number))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(u64::try_from(number).map_or(Repr::Negative(number), Repr::Unsigned))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Repr::Unsigned(number) => serializer.serialize_u64(number),
            Repr::Negative(number) => serializer.serialize_i64(number),
            Repr::Float(number) => serializer.serialize_f64(number),
        }
    }
}

/// As JSON writes it.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Unsigned(number) => number.fmt(f),
            Repr::Negative(number) => number.fmt(f),
            // Cannot fail: the reader and the conversions only make finite numbers.
            Repr::Float(number) => f.write_str(&serde_json::to_string(&number).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
