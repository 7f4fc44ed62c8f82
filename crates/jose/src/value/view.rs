//! Views of the values in a document.

use std::fmt;
use std::iter::FusedIterator;

use serde::{Serialize, Serializer};

use super::node::Node;
use super::number::Number;

/// A JSON value. Its `Debug` shows the content: print it only where the content may be seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string, unescaped.
    String(&'a str),
    /// An array.
    List(List<'a>),
    /// An object: members in the order of the text, names unique.
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// The first value of a document.
    pub(super) fn first(text: &'a str, nodes: &'a [Node]) -> Option<Self> {
        Run { text, nodes }.value()
    }

    /// The member of that name, when this is an object that has it.
    pub fn get(self, name: &str) -> Option<Self> {
        self.as_object()?.get(name)
    }

    /// Follows `path` through objects only, as Istio does; lists are never entered.
    /// The empty path is the value itself.
    pub fn path<S: AsRef<str>>(self, path: &[S]) -> Option<Self> {
        path.iter()
            .try_fold(self, |value, step| value.get(step.as_ref()))
    }

    /// The text, when this is a string.
    pub const fn as_str(self) -> Option<&'a str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The elements, when this is a list.
    pub const fn as_list(self) -> Option<List<'a>> {
        if let Self::List(elements) = self {
            Some(elements)
        } else {
            None
        }
    }

    /// The members, when this is an object.
    pub const fn as_object(self) -> Option<Object<'a>> {
        if let Self::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// What kind of value this is, in words for messages: `string`, `number`, …
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        }
    }

    /// Compact JSON, members in the order they came in.
    pub fn to_json(self) -> String {
        // Cannot fail: every name is a string and every number is finite.
        serde_json::to_string(&self).unwrap_or_default()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list.iter()),
            Self::Object(object) => serializer.collect_map(object.iter()),
        }
    }
}

/// The elements of an array.
#[derive(Clone, Copy)]
pub struct List<'a> {
    len: usize,
    run: Run<'a>,
}

impl<'a> List<'a> {
    /// How many elements there are.
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The element at `index`, from 0. Found at once where [`List::is_flat`], else by going through
    /// those before it.
    pub fn get(self, index: usize) -> Option<Value<'a>> {
        if self.is_flat() {
            let nodes = self.run.nodes.get(index..)?;
            return Run { nodes, ..self.run }.value();
        }
        self.iter().nth(index)
    }

    /// Whether no element has anything in it.
    pub const fn is_flat(self) -> bool {
        self.run.nodes.len() == self.len
    }

    /// All elements in order.
    pub const fn iter(self) -> Elements<'a> {
        Elements(self.run)
    }
}

impl<'a> IntoIterator for List<'a> {
    type Item = Value<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The elements of a [`List`], in order.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Run<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.0.value()
    }
}

impl FusedIterator for Elements<'_> {}

/// The members of an object.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    len: usize,
    run: Run<'a>,
}

impl<'a> Object<'a> {
    /// How many members there are.
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The member of that name, found by going through them.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        let mut run = self.run;
        loop {
            if run.name()? == name.as_bytes() {
                return run.value();
            }
            run.skip();
        }
    }

    /// All members, in the order of the text.
    pub const fn iter(self) -> Members<'a> {
        Members(self.run)
    }

    /// The names of all members, in the order of the text.
    pub fn names(self) -> impl Iterator<Item = &'a str> + Clone {
        let mut run = self.run;
        std::iter::from_fn(move || {
            let name = run.text()?;
            run.skip();
            Some(name)
        })
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (&'a str, Value<'a>);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The members of an [`Object`], in order.
#[derive(Clone, Debug)]
pub struct Members<'a>(Run<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.text()?, self.0.value()?))
    }
}

impl FusedIterator for Members<'_> {}

/// Nodes that are still to be read, and what their texts are parts of.
#[derive(Clone, Copy)]
struct Run<'a> {
    text: &'a str,
    nodes: &'a [Node],
}

impl<'a> Run<'a> {
    /// Reads one value.
    fn value(&mut self) -> Option<Value<'a>> {
        let (node, rest) = self.nodes.split_first()?;
        let (nodes, rest) = rest.split_at_checked(node.span())?;
        self.nodes = rest;
        let run = Run { nodes, ..*self };
        Some(match *node {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(truth),
            Node::Unsigned(_) | Node::Negative(_) | Node::Float(_) => Value::Number(node.number()?),
            Node::Text { .. } => Value::String(self.part(*node)?),
            Node::List { len, .. } => Value::List(List {
                len: len as usize,
                run,
            }),
            Node::Object { len, .. } => Value::Object(Object {
                len: len as usize,
                run,
            }),
        })
    }

    /// Reads a text.
    fn text(&mut self) -> Option<&'a str> {
        let (node, rest) = self.nodes.split_first()?;
        self.nodes = rest;
        self.part(*node)
    }

    /// Reads a text that is only compared.
    fn name(&mut self) -> Option<&'a [u8]> {
        let (node, rest) = self.nodes.split_first()?;
        self.nodes = rest;
        match *node {
            Node::Text { start, len } => {
                let start = start as usize;
                self.text.as_bytes().get(start..start + len as usize)
            }
            _ => None,
        }
    }

    /// Passes one value by.
    fn skip(&mut self) {
        let (node, rest) = match self.nodes.split_first() {
            Some(split) => split,
            None => return,
        };
        self.nodes = rest.get(node.span()..).unwrap_or_default();
    }

    fn part(&self, node: Node) -> Option<&'a str> {
        match node {
            Node::Text { start, len } => {
                let start = start as usize;
                self.text.get(start..start + len as usize)
            }
            _ => None,
        }
    }
}

/// As the others: the content is shown by what it is part of.
impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes", self.nodes.len())
    }
}
