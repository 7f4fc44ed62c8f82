//! Lists: of claims, of constants, or made by the evaluation.

use std::fmt;
use std::rc::Rc;

use countersign_jose as jose;

use super::Value;
use super::literal::Literal;

/// A list. Elements are made into [`Value`]s one by one, when they are read.
#[derive(Clone)]
pub struct List<'a>(Elements<'a>);

#[derive(Clone)]
enum Elements<'a> {
    Json(jose::List<'a>),
    Literals(&'a [Literal]),
    Shared(Rc<[Value<'a>]>),
}

impl<'a> List<'a> {
    pub(crate) const fn json(elements: jose::List<'a>) -> Self {
        Self(Elements::Json(elements))
    }

    pub(crate) const fn literals(elements: &'a [Literal]) -> Self {
        Self(Elements::Literals(elements))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Elements::Json(elements) => elements.len(),
            Elements::Literals(elements) => elements.len(),
            Elements::Shared(elements) => elements.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, from 0.
    pub fn at(&self, index: usize) -> Option<Value<'a>> {
        match &self.0 {
            Elements::Json(elements) => elements.get(index).map(Value::from),
            Elements::Literals(elements) => elements.get(index).map(Value::from),
            Elements::Shared(elements) => elements.get(index).cloned(),
        }
    }

    /// How many elements a read of one may have to pass by.
    pub(crate) fn breadth(&self) -> usize {
        match &self.0 {
            Elements::Json(elements) if !elements.is_flat() => elements.len(),
            _ => 0,
        }
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> {
        // Elements of claims are found from one another, all others by their place.
        let (json, placed) = match &self.0 {
            Elements::Json(elements) => (Some(elements.iter()), 0),
            _ => (None, self.len()),
        };
        let json = json.into_iter().flatten().map(Value::from);
        json.chain((0..placed).filter_map(|index| self.at(index)))
    }
}

impl<'a> FromIterator<Value<'a>> for List<'a> {
    fn from_iter<I: IntoIterator<Item = Value<'a>>>(values: I) -> Self {
        Self(Elements::Shared(values.into_iter().collect()))
    }
}

/// Shows the length only: a claim's text belongs into no log.
impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "list of {}", self.len())
    }
}
