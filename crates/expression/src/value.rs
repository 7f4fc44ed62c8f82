//! The values of CEL. They borrow from the program and from the request wherever they can.

mod list;
mod literal;
mod map;
mod text;

use std::fmt::{self, Write};

use countersign_jose as jose;

pub use list::List;
pub(crate) use literal::Literal;
pub(crate) use map::Key;
pub use map::{Map, Members};
pub use text::{Blob, Text};

use crate::number::Number;
use crate::time::{Duration, Timestamp};

/// A value. `Debug` shows no content; [`Value::brief`] does.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// 64 bits, signed.
    Int(i64),
    /// 64 bits, unsigned.
    Uint(u64),
    /// 64 bits, floating point.
    Double(f64),
    /// Unicode text.
    String(Text<'a>),
    /// Bytes.
    Bytes(Blob<'a>),
    /// A list.
    List(List<'a>),
    /// A map, an object of claims, or a group of attributes.
    Map(Map<'a>),
    /// A point in time.
    Timestamp(Timestamp),
    /// A span of time.
    Duration(Duration),
    /// The type of a value.
    Type(Type),
}

impl<'a> Value<'a> {
    /// A group of attributes.
    pub fn members(members: &'a (dyn Members + 'a)) -> Self {
        Self::Map(Map::members(members))
    }

    /// A map; `None` when one key is there twice, or is no bool, int, uint or string.
    pub fn map(entries: impl IntoIterator<Item = (Self, Self)>) -> Option<Self> {
        let entries = entries.into_iter();
        let keyed = entries.map(|(key, value)| Some((Key::of(&key)?, value)));
        Map::sorted(keyed.collect::<Option<_>>()?).map(Self::Map)
    }

    /// Its type.
    pub const fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
            Self::Type(_) => Type::Type,
        }
    }

    /// How long it is, for those that are strings or bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    pub(crate) const fn number(&self) -> Option<Number> {
        match self {
            Self::Int(number) => Some(Number::Int(*number)),
            Self::Uint(number) => Some(Number::Uint(*number)),
            Self::Double(number) => Some(Number::Double(*number)),
            _ => None,
        }
    }

    /// The content as a person reads it, cut after some 120 characters. It shows what the value
    /// holds: for `explain`, not for logs.
    pub fn brief(&self) -> String {
        let mut brief = Brief {
            text: String::new(),
            left: BRIEF_CHARS,
        };
        // Fails once the room is used up.
        if brief.value(self).is_err() {
            brief.text.push('…');
        }
        brief.text
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

/// Integers are ints; those beyond an int are uints; everything else is a double.
impl<'a> From<jose::Value<'a>> for Value<'a> {
    fn from(json: jose::Value<'a>) -> Self {
        match json {
            jose::Value::Null => Self::Null,
            jose::Value::Bool(truth) => Self::Bool(truth),
            jose::Value::Number(number) => {
                let uint = || number.as_u64().map(Self::Uint);
                let whole = number.as_i64().map(Self::Int).or_else(uint);
                whole.unwrap_or_else(|| Self::Double(number.as_f64()))
            }
            jose::Value::String(text) => Self::String(Text::Borrowed(text)),
            jose::Value::List(elements) => Self::List(List::json(elements)),
            jose::Value::Object(members) => Self::Map(Map::json(members)),
        }
    }
}

impl<'a> From<&'a Literal> for Value<'a> {
    fn from(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(truth) => Self::Bool(*truth),
            Literal::Int(number) => Self::Int(*number),
            Literal::Uint(number) => Self::Uint(*number),
            Literal::Double(number) => Self::Double(*number),
            Literal::String(text) => Self::String(Text::Borrowed(text)),
            Literal::Bytes(bytes) => Self::Bytes(Blob::Borrowed(bytes)),
            Literal::Type(kind) => Self::Type(*kind),
            Literal::List(elements) => Self::List(List::literals(elements)),
        }
    }
}

/// The types of CEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `null_type`
    Null,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint`
    Uint,
    /// `double`
    Double,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `list`
    List,
    /// `map`
    Map,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// `google.protobuf.Duration`
    Duration,
    /// `type`
    Type,
}

impl Type {
    const ALL: [Self; 12] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Uint,
        Self::Double,
        Self::String,
        Self::Bytes,
        Self::List,
        Self::Map,
        Self::Timestamp,
        Self::Duration,
        Self::Type,
    ];

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in CEL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Type => "type",
        }
    }
}

const BRIEF_CHARS: usize = 120;

/// Writes a value until the room is used up.
struct Brief {
    text: String,
    left: usize,
}

impl Write for Brief {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
        Ok(())
    }
}

impl Brief {
    fn value(&mut self, value: &Value<'_>) -> fmt::Result {
        match value {
            Value::Null => self.write_str("null"),
            Value::Bool(truth) => write!(self, "{truth}"),
            Value::Int(number) => write!(self, "{number}"),
            Value::Uint(number) => write!(self, "{number}u"),
            Value::Double(number) => write!(self, "{number:?}"),
            Value::String(text) => write!(self, "{:?}", &**text),
            Value::Bytes(bytes) => write!(self, "{} bytes", bytes.len()),
            Value::List(list) => {
                self.group("[", list.iter(), "]", |brief, each| brief.value(&each))
            }
            Value::Map(map) => self.map(map),
            Value::Timestamp(time) => write!(self, "{time}"),
            Value::Duration(duration) => write!(self, "{duration}"),
            Value::Type(kind) => self.write_str(kind.name()),
        }
    }

    fn map(&mut self, map: &Map<'_>) -> fmt::Result {
        let Some(keys) = map.keys() else {
            return self.write_str("{…}");
        };
        self.group("{", keys.iter(), "}", |brief, key| {
            brief.value(&key)?;
            let value = map.lookup(&key);
            brief.write_str(": ")?;
            brief.value(&value.unwrap_or(Value::Null))
        })
    }

    fn group<'v>(
        &mut self,
        open: &str,
        items: impl Iterator<Item = Value<'v>>,
        close: &str,
        mut each: impl FnMut(&mut Self, Value<'v>) -> fmt::Result,
    ) -> fmt::Result {
        self.write_str(open)?;
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.write_str(", ")?;
            }
            each(self, item)?;
        }
        self.write_str(close)
    }
}
