//! Maps: objects of claims, attributes of the request, or made by the evaluation.

use std::fmt;
use std::rc::Rc;

use countersign_jose as jose;

use super::{List, Text, Value};
use crate::number::Number;

/// Attributes of a request, looked up by name when an expression reads them.
pub trait Members {
    /// The attribute of that name; `None` when the request does not have it.
    fn member(&self, name: &str) -> Option<Value<'_>>;

    /// All names, where they can be listed. Without them neither `size` nor the macros work on
    /// these attributes.
    fn names(&self) -> Option<Vec<&str>> {
        None
    }
}

/// A map. Values are made when they are read.
#[derive(Clone)]
pub struct Map<'a>(Entries<'a>);

#[derive(Clone)]
enum Entries<'a> {
    Json(jose::Object<'a>),
    Members(&'a (dyn Members + 'a)),
    /// Sorted by key, keys unique.
    Sorted(Rc<[(Key<'a>, Value<'a>)]>),
}

impl<'a> Map<'a> {
    pub(crate) const fn json(members: jose::Object<'a>) -> Self {
        Self(Entries::Json(members))
    }

    /// Attributes of the request.
    pub fn members(members: &'a (dyn Members + 'a)) -> Self {
        Self(Entries::Members(members))
    }

    /// `None` when one key is there twice.
    pub(crate) fn sorted(mut entries: Vec<(Key<'a>, Value<'a>)>) -> Option<Self> {
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let unique = entries
            .iter()
            .zip(entries.iter().skip(1))
            .all(|((before, _), (after, _))| before != after);
        unique.then(|| Self(Entries::Sorted(entries.into())))
    }

    /// How many entries there are; `None` when they cannot be listed.
    pub fn count(&self) -> Option<usize> {
        match &self.0 {
            Entries::Json(members) => Some(members.len()),
            Entries::Members(members) => members.names().map(|names| names.len()),
            Entries::Sorted(entries) => Some(entries.len()),
        }
    }

    /// Whether its values are made when they are read.
    pub(crate) fn is_assembled(&self) -> bool {
        matches!(self.0, Entries::Members(_))
    }

    /// How many entries one lookup may have to look at.
    pub(crate) fn breadth(&self) -> usize {
        match &self.0 {
            Entries::Json(members) => members.len(),
            Entries::Members(_) | Entries::Sorted(_) => 0,
        }
    }

    /// The value under a name.
    pub fn field(&self, name: &str) -> Option<Value<'a>> {
        match &self.0 {
            Entries::Json(members) => members.get(name).map(Value::from),
            Entries::Members(members) => members.member(name),
            Entries::Sorted(_) => self.at(&Key::String(name.into())),
        }
    }

    /// The value under any key.
    fn at(&self, key: &Key<'_>) -> Option<Value<'a>> {
        match (&self.0, key) {
            (Entries::Sorted(entries), _) => {
                let place = entries.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
                entries.get(place).map(|(_, value)| value.clone())
            }
            (_, Key::String(name)) => self.field(name),
            _ => None,
        }
    }

    /// The value under a key of any type.
    pub fn lookup(&self, key: &Value<'a>) -> Option<Value<'a>> {
        self.at(&Key::sought(key)?)
    }

    /// All keys; `None` when they cannot be listed.
    pub(crate) fn keys(&self) -> Option<List<'a>> {
        match &self.0 {
            Entries::Json(members) => Some(members.names().map(Value::from).collect()),
            Entries::Members(members) => {
                Some(members.names()?.into_iter().map(Value::from).collect())
            }
            Entries::Sorted(entries) => Some(entries.iter().map(|(key, _)| key.value()).collect()),
        }
    }
}

/// Shows the kind only: a claim's text belongs into no log.
impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map")
    }
}

/// What may be a key. Numbers that are equal are the same key, whatever their type.
#[derive(Clone, Debug)]
pub(crate) enum Key<'a> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Text<'a>),
}

impl<'a> Key<'a> {
    /// The key that a value is in a map literal; `None` for types that cannot be keys.
    pub(crate) fn of(value: &Value<'a>) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(Self::Bool(*truth)),
            Value::Int(number) => Some(Self::Int(*number)),
            Value::Uint(number) => Some(Self::Uint(*number)),
            Value::String(text) => Some(Self::String(text.clone())),
            _ => None,
        }
    }

    /// The key that a value looks for: as [`Key::of`], and whole doubles.
    fn sought(value: &Value<'a>) -> Option<Self> {
        let Value::Double(double) = value else {
            return Self::of(value);
        };
        let number = Number::Double(*double);
        let uint = || number.exact_uint().map(Self::Uint);
        number.exact_int().map(Self::Int).or_else(uint)
    }

    /// Numbers by number, then the rest by kind.
    fn cmp(&self, other: &Key<'_>) -> std::cmp::Ordering {
        match (self, other) {
            (Self::String(a), Key::String(b)) => (**a).cmp(&**b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Kind, and place among the keys of that kind; strings are compared before it comes to that.
    fn rank(&self) -> (u8, i128) {
        match self {
            Self::Bool(truth) => (0, (*truth).into()),
            Self::Int(number) => (1, (*number).into()),
            Self::Uint(number) => (1, (*number).into()),
            Self::String(_) => (2, 0),
        }
    }

    fn value(&self) -> Value<'a> {
        match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Int(number) => Value::Int(*number),
            Self::Uint(number) => Value::Uint(*number),
            Self::String(text) => Value::String(text.clone()),
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
