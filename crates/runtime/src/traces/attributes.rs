//! Attributes, in OTLP's JSON encoding.

use std::fmt::Display;
use std::net::IpAddr;

use countersign_core::origin::Origin;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// `KeyValue`s.
pub(super) struct Attributes<'a>(Vec<(&'static str, Value<'a>)>);

/// What an attribute says.
pub(super) enum Value<'a> {
    Text(&'a str),
    Made(String),
    Number(u64),
    Address(IpAddr),
    Rule(&'a Origin),
}

impl<'a> Attributes<'a> {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(MANY))
    }

    pub(super) fn push(&mut self, key: &'static str, value: Value<'a>) {
        self.0.push((key, value));
    }

    pub(super) fn text(&mut self, key: &'static str, text: &'a str) {
        let end = text.floor_char_boundary(LONGEST);
        self.push(key, Value::Text(text.get(..end).unwrap_or(text)));
    }

    /// Nothing where the text is empty.
    pub(super) fn some(&mut self, key: &'static str, text: &'a str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    pub(super) fn number(&mut self, key: &'static str, number: u16) {
        self.push(key, Value::Number(number.into()));
    }
}

/// As many as most spans have.
const MANY: usize = 16;
/// Bytes of a text; a caller chooses some of them.
const LONGEST: usize = 1024;

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct KeyValue<'a> {
            key: &'static str,
            value: &'a Value<'a>,
        }
        to.collect_seq(self.0.iter().map(|(key, value)| KeyValue { key, value }))
    }
}

/// `AnyValue`.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry("stringValue", text)?,
            Self::Made(text) => map.serialize_entry("stringValue", text)?,
            Self::Number(number) => map.serialize_entry("intValue", &Shown(number))?,
            Self::Address(address) => map.serialize_entry("stringValue", &Shown(address))?,
            Self::Rule(rule) => map.serialize_entry("stringValue", &Shown(rule))?,
        }
        map.end()
    }
}

/// A string of what a value is shown as.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}
