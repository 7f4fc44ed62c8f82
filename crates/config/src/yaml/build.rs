//! Parser events to trees, within bounds.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, ScalarStyle, Span as Marks, Tag};

use super::node::{Key, Node, Scalar, Typed, Value};
use super::positions::Positions;
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
    positions: &'a Positions,
    /// Characters of the document that the parser was not given.
    skipped: usize,
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
    node: Node,
    size: usize,
    depth: usize,
}

/// A collection that has not ended.
struct Frame {
    anchor: usize,
    start: usize,
    end: usize,
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
    pub(super) fn new(
        positions: &'a Positions,
        skipped: usize,
        diags: &'a mut Diagnostics,
    ) -> Self {
        Self {
            positions,
            skipped,
            diags,
            stack: Vec::new(),
            anchors: HashMap::new(),
            roots: Vec::new(),
            nodes: 0,
            aliased: 0,
            last: skipped,
            sound: true,
        }
    }

    /// The root of the document, if there was one and it could be read to its end.
    pub(super) fn roots(self) -> Vec<Node> {
        if self.sound { self.roots } else { Vec::new() }
    }

    /// Reports what makes the document unreadable.
    pub(super) fn report(&mut self, diagnostic: Diagnostic, at: usize) {
        let at = at + self.skipped;
        self.fail(diagnostic, self.positions.span(at, at + 1));
    }

    /// Takes one event. False: the rest of the document is not wanted.
    pub(super) fn event(&mut self, event: Event<'_>, marks: Marks) -> bool {
        let (start, end) = (
            marks.start.index() + self.skipped,
            marks.end.index() + self.skipped,
        );
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), start, end);
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(
                    Items::Sequence(Vec::new()),
                    anchor,
                    tag.as_deref(),
                    start,
                    end,
                );
            }
            Event::MappingStart(anchor, tag) => {
                self.open(
                    Items::Mapping(Entries::default()),
                    anchor,
                    tag.as_deref(),
                    start,
                    end,
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(start, end),
            Event::Alias(anchor) => self.alias(anchor, start, end),
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
        start: usize,
        end: usize,
    ) {
        let plain = style == ScalarStyle::Plain;
        // The parser places a value that is not there at whatever follows it, which may be lines away.
        let empty = plain && text.is_empty() && tag.is_none();
        let (start, end) = if empty {
            (self.last, self.last)
        } else {
            (start, end)
        };
        let span = self.span(start, end);
        let plain = match tag.map(|tag| core_tag(tag)) {
            None => plain,
            Some(Some("str")) => false,
            Some(Some("null" | "bool" | "int" | "float")) => true,
            Some(_) => return self.unknown_tag(tag, span),
        };
        let scalar = Scalar {
            text: text.into(),
            plain,
            written: None,
        };
        let node = Node {
            span,
            value: Value::Scalar(scalar),
        };
        if self.count(1, span) {
            self.last = self.last.max(end);
            self.keep(anchor, &node);
            self.place(node, end);
        }
    }

    fn open(&mut self, items: Items, anchor: usize, tag: Option<&Tag>, start: usize, end: usize) {
        let span = self.span(start, end);
        if tag.is_some_and(|tag| !matches!(core_tag(tag), Some("map" | "seq"))) {
            return self.unknown_tag(tag, span);
        }
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(span);
        }
        if self.count(1, span) {
            self.last = self.last.max(end);
            self.stack.push(Frame {
                anchor,
                start,
                end: end.max(start),
                items,
            });
        }
    }

    fn close(&mut self, start: usize, end: usize) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        // A block collection ends where its last value does; the parser's mark is that of the next token.
        let end = if end > start {
            frame.end.max(end)
        } else {
            frame.end
        };
        self.last = self.last.max(end);
        let value = match frame.items {
            Items::Sequence(items) => Value::Sequence(items),
            Items::Mapping(entries) => Value::Mapping(self.merged(entries)),
        };
        let node = Node {
            span: self.span(frame.start, end),
            value,
        };
        self.keep(frame.anchor, &node);
        self.place(node, end);
    }

    fn alias(&mut self, anchor: usize, start: usize, end: usize) {
        let span = self.span(start, end);
        let Some(anchored) = self.anchors.get(&anchor) else {
            let error = Diagnostic::error(
                "alias-loop",
                "this alias stands inside the value it refers to",
            );
            return self.fail(error.help("write the value out"), span);
        };
        let (size, depth, node) = (anchored.size, anchored.depth, anchored.node.clone());
        if self.stack.len() + depth > MAX_DEPTH {
            return self.too_deep(span);
        }
        self.aliased += size;
        if self.aliased > MAX_ALIASED {
            let message =
                format!("the aliases of this document add more than {MAX_ALIASED} values");
            let help =
                "an alias copies all it refers to: write out fewer of them, or split the document";
            return self.fail(
                Diagnostic::error("alias-expansion", message).help(help),
                span,
            );
        }
        if self.count(size, span) {
            self.last = self.last.max(end);
            self.place(node, end);
        }
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Node, end: usize) {
        let Some(frame) = self.stack.last_mut() else {
            // A document that holds nothing, or `null`, is no document.
            if !node.is_null() {
                self.roots.push(node);
            }
            return;
        };
        frame.end = frame.end.max(end);
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
        if anchor > 0 {
            let (size, depth) = extent(node);
            let node = node.clone();
            // A copy is kept, so it counts: anchors around anchors would else be quadratic.
            if self.count(size, node.span) {
                self.anchors.insert(anchor, Anchored { node, size, depth });
            }
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
        let tag = tag.map(ToString::to_string).unwrap_or_default();
        let message = format!("unknown tag {}", quoted(&tag));
        self.fail(
            Diagnostic::error("unknown-tag", message).help("leave it out, or put a text in quotes"),
            span,
        );
    }

    fn fail(&mut self, diagnostic: Diagnostic, span: Span) {
        self.sound = false;
        self.diags.push(diagnostic.at(span));
    }

    fn span(&self, start: usize, end: usize) -> Span {
        self.positions.span(start, end)
    }
}

/// Takes a node for a key.
fn key(node: Node, entries: &mut Entries, diags: &mut Diagnostics) -> Pending {
    let Value::Scalar(scalar) = node.value else {
        let error = Diagnostic::error("key-not-string", "a key must be a string").at(node.span);
        diags.push(error.help("write a text before the colon"));
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
