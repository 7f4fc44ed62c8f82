//! Reads JSON bytes into a [`Value`]; serde_json does the grammar, this adds the bounds.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Number, Repr, Value};

/// How many lists and objects may be nested in one another. Envoy stops at about a hundred too.
pub const MAX_JSON_DEPTH: usize = 100;

/// Why a text is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    problem: JsonProblem,
    message: String,
}

impl JsonError {
    /// What kind of problem it is.
    pub const fn problem(&self) -> JsonProblem {
        self.problem
    }
}

/// The kinds of [`JsonError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonProblem {
    /// Not JSON, or more than one value.
    Syntax,
    /// One object has two members of one name: readers would disagree on which one counts.
    DuplicateMember,
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
}

pub(super) fn parse(json: &[u8]) -> Result<Value, JsonError> {
    let problem = Cell::new(JsonProblem::Syntax);
    let mut source = serde_json::Deserializer::from_slice(json);
    let level = Level {
        left: MAX_JSON_DEPTH,
        problem: &problem,
    };
    level
        .deserialize(&mut source)
        .and_then(|value| source.end().map(|()| value))
        .map_err(|error| JsonError {
            problem: problem.get(),
            message: error.to_string(),
        })
}

/// One level of nesting; `problem` receives the cause when it is not the syntax.
#[derive(Clone, Copy)]
struct Level<'p> {
    left: usize,
    problem: &'p Cell<JsonProblem>,
}

impl Level<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => {
                self.problem.set(JsonProblem::TooDeep);
                Err(E::custom(format_args!(
                    "nested deeper than {MAX_JSON_DEPTH} levels"
                )))
            }
        }
    }

    fn refuse_duplicates<E: Error>(self, members: &[(Box<str>, Value)]) -> Result<(), E> {
        let Some(name) = duplicate(members) else {
            return Ok(());
        };
        self.problem.set(JsonProblem::DuplicateMember);
        let shown: String = name.escape_debug().take(MAX_SHOWN).collect();
        Err(E::custom(format_args!(
            "the member `{shown}` is there twice"
        )))
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if number.is_finite() {
            Ok(Value::Number(Number(Repr::Float(number))))
        } else {
            Err(E::custom("number out of range"))
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = source.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::List(elements.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(name) = source.next_key_seed(Name)? {
            members.push((name, source.next_value_seed(inner)?));
        }
        self.refuse_duplicates(&members)?;
        Ok(Value::Object(members.into()))
    }
}

/// A member's name, allocated once at its final size.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Box<str>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Box<str>, D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Box<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Box<str>, E> {
        Ok(name.into())
    }
}

/// A name that occurs twice, if any does. Small objects are compared pair by pair; large ones are
/// sorted, so that a hostile object costs no square.
fn duplicate(members: &[(Box<str>, Value)]) -> Option<&str> {
    const SMALL: usize = 24;
    if members.len() <= SMALL {
        let earlier = |index: usize| members.iter().take(index);
        let twice = |(index, (name, _)): &(usize, &(Box<str>, Value))| {
            earlier(*index).any(|(other, _)| other == name)
        };
        return members
            .iter()
            .enumerate()
            .find(twice)
            .map(|(_, (name, _))| &**name);
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names
        .iter()
        .zip(names.iter().skip(1))
        .find(|(one, next)| one == next)
        .map(|(name, _)| *name)
}

/// Characters of an offending name that a message repeats.
const MAX_SHOWN: usize = 40;
