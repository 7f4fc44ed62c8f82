//! Reads JSON into nodes; serde_json does the grammar, this adds the bounds.

use std::fmt;
use std::str::Utf8Error;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{JsonError, JsonProblem, MAX_JSON_DEPTH};
use super::node::{Node, Nodes};
use super::number::{Number, Repr};

/// Bytes of the longest text: nodes count in 32 bits, through a text and its [`Tail`].
const MAX_JSON_BYTES: usize = 1 << 30;

/// Texts that are escaped in the JSON, one after the other as they are without.
pub(super) type Tail = String;

/// Reads one value. Texts of `nodes` are parts of `json` with the result after it.
pub(super) fn read(json: &str, nodes: &mut Nodes) -> Result<Tail, JsonError> {
    Reader::new(json, nodes).run(json).map_err(JsonError::from)
}

/// What is wrong with bytes that are no text: what comes first in them.
pub(super) fn not_utf8(json: &[u8], error: &Utf8Error) -> JsonError {
    let good = json.get(..error.valid_up_to()).unwrap_or_default();
    let good = str::from_utf8(good).unwrap_or_default();
    let before = Reader::new(good, &mut Nodes::new()).run(good).err();
    match before {
        Some(failure) if !failure.error.is_eof() => failure.into(),
        _ => JsonError {
            problem: JsonProblem::Syntax,
            message: format!("no UTF-8 from byte {} on", error.valid_up_to()),
        },
    }
}

/// What serde_json says, and what it means.
struct Failure {
    problem: JsonProblem,
    error: serde_json::Error,
}

impl From<Failure> for JsonError {
    fn from(failure: Failure) -> Self {
        Self {
            problem: failure.problem,
            message: failure.error.to_string(),
        }
    }
}

/// Nodes as they come in.
struct Reader<'j, 'n> {
    json: &'j str,
    tail: Tail,
    nodes: &'n mut Nodes,
    /// The cause, when it is not the syntax.
    problem: JsonProblem,
}

impl<'j, 'n> Reader<'j, 'n> {
    fn new(json: &'j str, nodes: &'n mut Nodes) -> Self {
        Self {
            json,
            tail: Tail::new(),
            nodes,
            problem: JsonProblem::Syntax,
        }
    }

    fn run(mut self, json: &str) -> Result<Tail, Failure> {
        let mut source = serde_json::Deserializer::from_str(json);
        let level = Level {
            left: MAX_JSON_DEPTH,
            reader: &mut self,
        };
        let outcome = match json.len() {
            ..=MAX_JSON_BYTES => level.deserialize(&mut source),
            _ => Err(Error::custom(format_args!(
                "longer than {MAX_JSON_BYTES} bytes"
            ))),
        };
        match outcome.and_then(|()| source.end()) {
            Ok(()) => Ok(self.tail),
            Err(error) => Err(Failure {
                problem: self.problem,
                error,
            }),
        }
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
    }

    /// A text of which serde_json made a copy, because it is escaped.
    fn push_copied(&mut self, text: &str) {
        let start = self.json.len() + self.tail.len();
        self.tail.push_str(text);
        self.push_text(start, text.len());
    }

    /// A text as it stands in the JSON.
    fn push_part(&mut self, text: &str) {
        let start = text.as_ptr().addr().wrapping_sub(self.json.as_ptr().addr());
        match self.json.len().checked_sub(text.len()) {
            Some(last) if start <= last => self.push_text(start, text.len()),
            _ => self.push_copied(text),
        }
    }

    /// Both are less than twice [`MAX_JSON_BYTES`].
    fn push_text(&mut self, start: usize, len: usize) {
        self.push(Node::Text {
            start: start as u32,
            len: len as u32,
        });
    }

    /// What the container at `at` has in it so far.
    fn content(&self, at: usize) -> &[Node] {
        self.nodes.get(at + 1..).unwrap_or_default()
    }

    /// Names of the members of the object at `at`.
    fn names(&self, at: usize) -> impl Iterator<Item = &str> + Clone {
        let mut nodes = self.content(at);
        std::iter::from_fn(move || {
            let (name, rest) = nodes.split_first()?;
            let (value, rest) = rest.split_first()?;
            nodes = rest.get(value.span()..)?;
            self.text(*name)
        })
    }

    fn text(&self, node: Node) -> Option<&str> {
        let Node::Text { start, len } = node else {
            return None;
        };
        let (start, len) = (start as usize, len as usize);
        let from = match start.checked_sub(self.json.len()) {
            None => self.json.get(start..),
            Some(start) => self.tail.get(start..),
        };
        from?.get(..len)
    }

    fn refuse_duplicates<E: Error>(&mut self, at: usize, len: usize) -> Result<(), E> {
        let Some(name) = duplicate(self.names(at), len) else {
            return Ok(());
        };
        let shown: String = name.escape_debug().take(MAX_SHOWN).collect();
        self.problem = JsonProblem::DuplicateMember;
        let error = format_args!("the member `{shown}` is there twice");
        Err(E::custom(error))
    }
}

/// One level of nesting.
struct Level<'r, 'j, 'n> {
    left: usize,
    reader: &'r mut Reader<'j, 'n>,
}

impl<'r, 'j, 'n> Level<'r, 'j, 'n> {
    /// Begins a list or an object: its place, and the level in it.
    fn open<E: Error>(self) -> Result<(usize, Level<'r, 'j, 'n>), E> {
        let Some(left) = self.left.checked_sub(1) else {
            self.reader.problem = JsonProblem::TooDeep;
            let error = format_args!("nested deeper than {MAX_JSON_DEPTH} levels");
            return Err(E::custom(error));
        };
        let at = self.reader.nodes.len();
        // Holds the place until it is known how much is in it.
        self.reader.push(Node::Null);
        Ok((at, Level { left, ..self }))
    }

    fn inner(&mut self) -> Level<'_, 'j, 'n> {
        Level {
            left: self.left,
            reader: self.reader,
        }
    }

    fn close(self, at: usize, container: impl FnOnce(u32) -> Node) {
        let span = self.reader.content(at).len();
        if let Some(node) = self.reader.nodes.get_mut(at) {
            *node = container(span as u32);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.reader.push(Node::Null);
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.reader.push(Node::Bool(truth));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.reader.push(Number::from(number).into());
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.reader.push(Number::from(number).into());
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if !number.is_finite() {
            return Err(E::custom("number out of range"));
        }
        self.reader.push(Number(Repr::Float(number)).into());
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.reader.push_copied(text);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.reader.push_part(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<(), A::Error> {
        let (at, mut level) = self.open()?;
        let mut len = 0;
        while source.next_element_seed(level.inner())?.is_some() {
            len += 1;
        }
        level.close(at, |span| Node::List { len, span });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<(), A::Error> {
        let (at, mut level) = self.open()?;
        let (mut len, mut marks, mut twice) = (0, 0, false);
        while let Some(mark) = source.next_key_seed(Name(level.reader))? {
            twice |= marks & mark != 0;
            marks |= mark;
            source.next_value_seed(level.inner())?;
            len += 1;
        }
        if twice {
            level.reader.refuse_duplicates(at, len as usize)?;
        }
        level.close(at, |span| Node::Object { len, span });
        Ok(())
    }
}

/// A member's name. What it gives is its [`mark`].
struct Name<'r, 'j, 'n>(&'r mut Reader<'j, 'n>);

impl<'de> DeserializeSeed<'de> for Name<'_, '_, '_> {
    type Value = u128;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<u128, D::Error> {
        source.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_, '_, '_> {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<u128, E> {
        self.0.push_copied(name);
        Ok(mark(name))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<u128, E> {
        self.0.push_part(name);
        Ok(mark(name))
    }
}

/// A name that occurs twice, if any does. Few names are compared pair by pair; many are sorted, so
/// that a hostile object costs no square.
fn duplicate<'n>(names: impl Iterator<Item = &'n str> + Clone, len: usize) -> Option<&'n str> {
    const FEW: usize = 24;
    if len <= FEW {
        let mut each = names.clone().enumerate();
        let twice = each.find(|(index, name)| names.clone().take(*index).any(|it| it == *name));
        return twice.map(|(_, name)| name);
    }
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs.find(|(one, next)| one == next).map(|(name, _)| *name)
}

/// One bit of 128, the same for equal names and another for most others: an object whose names all
/// have their own has none twice.
fn mark(name: &str) -> u128 {
    let bytes = name.as_bytes();
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or_default());
    let last = bytes.len().saturating_sub(1);
    // These factors tell the claims that are common apart.
    let mixed = byte(0) * 108 + byte(last / 2) * 125 + byte(last) * 20 + last % 128 * 34;
    1 << (mixed % 128)
}

/// Characters of an offending name that a message repeats.
const MAX_SHOWN: usize = 40;
