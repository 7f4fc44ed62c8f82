//! Parser events to trees, within bounds.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, ScalarStyle, Span as Marks, Tag};

use super::node::{Key, Node, Scalar, Typed, Value};
use super::positions::Positions;
use super::secrets::Place;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::source::Span;

/// How deeply values may nest. Whatever walks a tree may recurse to this depth.
const MAX_DEPTH: usize = 100;
/// How many values one document may hold.
const MAX_NODES: usize = 1_000_000;
/// How many values the aliases of one document may add: enough for shared settings, too little for an attack.
const MAX_ALIASED: usize = 100_000;

/// Builds the tree of one document.
pub(super) struct Builder<'a> {
    positions: &'a Positions<'a>,
    diags: &'a mut Diagnostics,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    roots: Vec<Node>,
    nodes: usize,
    aliased: usize,
    /// Where the last event ended, which is where an empty value stands.
    last: usize,
    /// Cleared by an error after which the tree would not be what its author meant.
    sound: bool,
}

struct Anchored {
    node: Rc<Node>,
    size: usize,
    depth: usize,
}

/// A collection that has not ended.
struct Frame {
    anchor: usize,
    /// From its beginning to the end of its last value so far.
    at: Range<usize>,
    items: Items,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping(Entries),
}

#[derive(Default)]
struct Entries {
    list: Vec<(Key, Node)>,
    seen: HashMap<Arc<str>, Span>,
    merges: Vec<Node>,
    key: Pending,
}

/// The key whose value comes next.
#[derive(Default)]
enum Pending {
    #[default]
    None,
    Key(Key),
    Merge,
    /// The key was refused: its value is dropped.
    Refused,
}

impl<'a> Builder<'a> {
    pub(super) fn new(positions: &'a Positions<'a>, diags: &'a mut Diagnostics) -> Self {
        Self {
            positions,
            diags,
            stack: Vec::new(),
            anchors: HashMap::new(),
            roots: Vec::new(),
            nodes: 0,
            aliased: 0,
            last: 0,
            sound: true,
        }
    }

    /// The root of the document, if there was one and it could be read to its end.
    pub(super) fn roots(self) -> Vec<Node> {
        if self.sound { self.roots } else { Vec::new() }
    }

    /// Reports what makes the document unreadable.
    pub(super) fn report(&mut self, diagnostic: Diagnostic, at: usize) {
        // At the end of a document, the last thing in it says more than the nothing after it.
        let at = at.min(self.positions.last());
        self.fail(diagnostic, self.positions.span(at, at + 1));
    }

    /// Takes one event. False: the rest of the document is not wanted.
    pub(super) fn event(&mut self, event: Event<'_>, marks: Marks) -> bool {
        let at = marks.start.index()..marks.end.index();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), at);
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Items::Sequence(Vec::new()), anchor, tag.as_deref(), at);
            }
            Event::MappingStart(anchor, tag) => {
                let entries = Items::Mapping(Entries::default());
                self.open(entries, anchor, tag.as_deref(), at);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentEnd
            | Event::DocumentStart(_)
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => {}
        }
        self.sound
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Range<usize>,
    ) {
        let at = match style {
            // The parser places a value that is not there at whatever follows it, which may be lines away.
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded
                if text.is_empty() && tag.is_none() =>
            {
                self.gap()
            }
            ScalarStyle::Plain => at,
            // It ends a quoted or a block scalar at whatever follows it.
            _ => at.start..self.positions.trim(at.start, at.end),
        };
        let span = self.span(&at);
        let plain = match tag.map(core_tag) {
            None => style == ScalarStyle::Plain,
            Some(Some("str")) => false,
            Some(Some("null" | "bool" | "int" | "float")) => true,
            Some(_) => return self.unknown_tag(tag, span),
        };
        if !self.count(1, span) {
            return;
        }
        let scalar = Scalar {
            text: text.into(),
            plain,
            written: None,
        };
        let node = Node {
            span,
            value: Value::Scalar(scalar),
        };
        self.last = self.last.max(at.end);
        self.keep(anchor, &node);
        self.put(node, at.end);
    }

    /// Where a value that is not there would be: at its dash, or after its key.
    fn gap(&self) -> Range<usize> {
        match self.positions.dash(self.last) {
            Some(dash) => dash..dash + 1,
            None => self.last..self.last,
        }
    }

    fn open(&mut self, items: Items, anchor: usize, tag: Option<&Tag>, at: Range<usize>) {
        let span = self.span(&at);
        if tag.is_some_and(|tag| !matches!(core_tag(tag), Some("map" | "seq"))) {
            return self.unknown_tag(tag, span);
        }
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(span);
        }
        if self.count(1, span) {
            self.last = self.last.max(at.end);
            self.stack.push(Frame { anchor, at, items });
        }
    }

    fn close(&mut self, at: Range<usize>) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        // A block collection ends where its last value does; the parser's mark is that of the next token.
        let end = if at.is_empty() {
            frame.at.end
        } else {
            frame.at.end.max(at.end)
        };
        self.last = self.last.max(end);
        let value = match frame.items {
            Items::Sequence(items) => Value::Sequence(items),
            Items::Mapping(entries) => Value::Mapping(self.merged(entries)),
        };
        let node = Node {
            span: self.span(&(frame.at.start..end)),
            value,
        };
        self.keep(frame.anchor, &node);
        self.put(node, end);
    }

    fn alias(&mut self, anchor: usize, at: Range<usize>) {
        let span = self.span(&at);
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "this alias stands inside the value it refers to";
            let error = Diagnostic::error("alias-loop", message).help("write the value out");
            return self.fail(error, span);
        };
        let (size, depth, node) = (anchored.size, anchored.depth, Rc::clone(&anchored.node));
        if self.stack.len() + depth > MAX_DEPTH {
            return self.too_deep(span);
        }
        self.aliased += size;
        if self.aliased > MAX_ALIASED {
            let message =
                format!("the aliases of this document add more than {MAX_ALIASED} values");
            let help = "an alias copies all it refers to: use fewer, or split the document";
            let error = Diagnostic::error("alias-expansion", message).help(help);
            return self.fail(error, span);
        }
        if self.count(size, span) {
            self.last = self.last.max(at.end);
            self.put(Node::clone(&node), at.end);
        }
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node, end: usize) {
        let Some(frame) = self.stack.last_mut() else {
            // A document that holds nothing, or `null`, is no document.
            if !node.is_null() {
                self.roots.push(node);
            }
            return;
        };
        frame.at.end = frame.at.end.max(end);
        match &mut frame.items {
            Items::Sequence(items) => items.push(node),
            Items::Mapping(entries) => match std::mem::take(&mut entries.key) {
                Pending::None => entries.key = key(node, entries, self.diags),
                Pending::Key(key) => entries.list.push((key, node)),
                Pending::Merge => entries.merges.push(node),
                Pending::Refused => {}
            },
        }
    }

    /// Adds what `<<` brings in: keys that the mapping does not have itself, from the first source that has them.
    fn merged(&mut self, mut entries: Entries) -> Vec<(Key, Node)> {
        let sources = entries
            .merges
            .into_iter()
            .flat_map(|node| match node.value {
                Value::Sequence(items) => items,
                value => vec![Node {
                    span: node.span,
                    value,
                }],
            });
        for source in sources {
            let Value::Mapping(list) = source.value else {
                let error =
                    Diagnostic::error("bad-merge", "`<<` takes a mapping, or a list of mappings");
                self.diags.push(
                    error
                        .at(source.span)
                        .help("write `<<: *anchor`, where `&anchor` stands before a mapping"),
                );
                continue;
            };
            for (key, node) in list {
                if entries
                    .seen
                    .insert(Arc::clone(&key.text), key.span)
                    .is_none()
                {
                    entries.list.push((key, node));
                }
            }
        }
        entries.list
    }

    fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor == 0 {
            return;
        }
        let (size, depth) = extent(node);
        // The copy counts: anchors inside of anchors would else be quadratic.
        if self.count(size, node.span) {
            let node = Rc::new(node.clone());
            self.anchors.insert(anchor, Anchored { node, size, depth });
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> bool {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("this document holds more than {MAX_NODES} values");
            self.fail(
                Diagnostic::error("too-large", message).help("split it into several documents"),
                span,
            );
        }
        self.sound
    }

    fn too_deep(&mut self, span: Span) {
        let message = format!("values nest more than {MAX_DEPTH} deep");
        self.fail(
            Diagnostic::error("too-deep", message)
                .help("no object that is read here nests this deep"),
            span,
        );
    }

    fn unknown_tag(&mut self, tag: Option<&Tag>, span: Span) {
        let tag = match tag {
            Some(tag) if tag.is_yaml_core_schema() => format!("!!{}", tag.suffix),
            Some(tag) => tag.to_string(),
            None => String::new(),
        };
        // What was meant for a password may begin with an exclamation mark.
        let message = if self.place().hides() {
            "unknown tag".to_owned()
        } else {
            format!("unknown tag {}", quoted(&tag))
        };
        self.fail(
            Diagnostic::error("unknown-tag", message).help("leave it out, or put a text in quotes"),
            span,
        );
    }

    /// Where the next value stands.
    fn place(&self) -> Place {
        let keys = self.stack.iter().filter_map(|frame| match &frame.items {
            Items::Mapping(Entries {
                key: Pending::Key(key),
                ..
            }) => Some(key),
            _ => None,
        });
        keys.fold(Place::Open, |place, key| place.under(&key.text))
    }

    fn fail(&mut self, diagnostic: Diagnostic, span: Span) {
        self.sound = false;
        self.diags.push(diagnostic.at(span));
    }

    fn span(&self, at: &Range<usize>) -> Span {
        self.positions.span(at.start, at.end)
    }
}

/// Takes a node for a key.
fn key(node: Node, entries: &mut Entries, diags: &mut Diagnostics) -> Pending {
    let Value::Scalar(scalar) = node.value else {
        let error = Diagnostic::error("key-not-string", "a key must be a string").at(node.span);
        let help = "write a text before the colon; render templates such as `{{ … }}` first";
        diags.push(error.help(help));
        return Pending::Refused;
    };
    if scalar.plain && &*scalar.text == "<<" {
        return Pending::Merge;
    }
    if scalar.typed() != Typed::String {
        let message = format!("key {} is not a string", quoted(&scalar.text));
        diags.push(
            Diagnostic::error("key-not-string", message)
                .at(node.span)
                .help("put it in quotes"),
        );
        return Pending::Refused;
    }
    if let Some(first) = entries.seen.get(&scalar.text) {
        let message = format!("key {} stands here twice", quoted(&scalar.text));
        let error = Diagnostic::error("duplicate-key", message)
            .at(node.span)
            .related(*first, "the first one");
        diags.push(error.help("remove one of them"));
        return Pending::Refused;
    }
    entries.seen.insert(Arc::clone(&scalar.text), node.span);
    Pending::Key(Key {
        text: scalar.text,
        span: node.span,
    })
}

/// The name of a tag of the core schema; `!` alone means a string.
fn core_tag(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        Some(&tag.suffix)
    } else if tag.handle.is_empty() && tag.suffix == "!" {
        Some("str")
    } else {
        None
    }
}

/// How many nodes a tree has and how deep it is.
fn extent(node: &Node) -> (usize, usize) {
    let join = |(size, depth): (usize, usize), child: &Node| {
        let (more, below) = extent(child);
        (size + more, depth.max(below + 1))
    };
    match &node.value {
        Value::Scalar(_) | Value::Broken(_) => (1, 0),
        Value::Sequence(items) => items.iter().fold((1, 1), join),
        Value::Mapping(entries) => entries.iter().map(|(_, node)| node).fold((1, 1), join),
    }
}
