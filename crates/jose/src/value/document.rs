//! A JSON text that was read, in two allocations.

use std::borrow::Cow;
use std::fmt;

use super::error::JsonError;
use super::node::{Node, Nodes};
use super::read;
use super::view::Value;

/// One JSON value with all that is in it.
#[derive(Clone)]
pub struct Document {
    /// The JSON itself, and after it those texts that are escaped there.
    text: Box<str>,
    /// INVARIANT: one value, and so not empty.
    nodes: Box<[Node]>,
}

impl Document {
    /// Reads one JSON text (RFC 8259), strictly: no duplicate member at any depth, no byte order
    /// mark, nothing after the value, at most [`MAX_JSON_DEPTH`](super::MAX_JSON_DEPTH) levels.
    ///
    /// # Errors
    /// When the text is not such a value.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        Self::from_vec(json.to_vec())
    }

    /// As [`Document::parse`], of bytes that are kept.
    pub(crate) fn from_vec(json: Vec<u8>) -> Result<Self, JsonError> {
        let mut nodes = Nodes::new();
        let mut text = String::from_utf8(json)
            .map_err(|error| read::not_utf8(error.as_bytes(), &error.utf8_error()))?;
        let tail = read::read(&text, &mut nodes)?;
        if !tail.is_empty() {
            text.push_str(&tail);
        }
        Ok(Self {
            text: text.into(),
            nodes: nodes.as_slice().into(),
        })
    }

    /// The value.
    pub fn root(&self) -> Value<'_> {
        first(&self.text, &self.nodes)
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.text.len() + size_of_val::<[Node]>(&self.nodes)
    }
}

/// Reads as [`Document::parse`] does what is looked at once and kept by nobody.
pub(crate) fn glance<T>(json: &[u8], then: impl FnOnce(Value<'_>) -> T) -> Result<T, JsonError> {
    let mut nodes = Nodes::new();
    let json = str::from_utf8(json).map_err(|error| read::not_utf8(json, &error))?;
    let tail = read::read(json, &mut nodes)?;
    let text = match tail.is_empty() {
        true => Cow::Borrowed(json),
        false => Cow::Owned([json, &tail].concat()),
    };
    Ok(then(first(&text, &nodes)))
}

/// The one value that all nodes are.
fn first<'a>(text: &'a str, nodes: &'a [Node]) -> Value<'a> {
    Value::first(text, nodes).unwrap_or(Value::Null)
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

/// Shows the content, as that of [`Value`] does.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}
