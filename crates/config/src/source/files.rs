//! Named texts and positions in them.

use std::ops::Range;
use std::sync::Arc;

use super::documents;

/// One named text, as its owner (a file, a ConfigMap, standard input) handed it over.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// What diagnostics call it: usually a path.
    pub name: String,
    /// YAML or JSON, any number of documents.
    pub content: String,
}

/// A text of a [`Files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A position in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// Bytes from the start of the text.
    pub byte: u32,
    /// Counted from 1.
    pub line: u32,
    /// Characters, counted from 1.
    pub column: u32,
}

/// A stretch of one text: `start` is inside, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub file: FileId,
    /// Where it begins.
    pub start: Pos,
    /// Where it ends.
    pub end: Pos,
}

/// All texts of one load, in the order in which they were given.
#[derive(Clone, Default)]
pub struct Files {
    files: Vec<File>,
}

#[derive(Clone)]
struct File {
    name: Arc<str>,
    content: Box<str>,
    /// Each holds one document at most.
    documents: Vec<Range<usize>>,
}

impl Files {
    /// The texts of one load.
    pub fn new(texts: impl IntoIterator<Item = Text>) -> Self {
        let files = texts.into_iter().map(|text| File {
            name: text.name.into(),
            documents: documents::split(&text.content),
            content: text.content.into(),
        });
        Self {
            files: files.collect(),
        }
    }

    /// Every text, in order.
    pub fn ids(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..u32::try_from(self.files.len()).unwrap_or(u32::MAX)).map(FileId)
    }

    /// The name of a text; empty for one that is not here.
    pub fn name(&self, id: FileId) -> Arc<str> {
        self.file(id)
            .map_or_else(|| "".into(), |file| Arc::clone(&file.name))
    }

    /// The content of a text; empty for one that is not here.
    pub fn content(&self, id: FileId) -> &str {
        self.file(id).map_or("", |file| &file.content)
    }

    /// The text under a span.
    pub fn slice(&self, span: Span) -> &str {
        let range = span.start.byte as usize..span.end.byte as usize;
        self.content(span.file).get(range).unwrap_or_default()
    }

    /// The documents of a text, as byte ranges that together cover it.
    pub(crate) fn documents(&self, id: FileId) -> impl Iterator<Item = Range<usize>> {
        self.file(id)
            .into_iter()
            .flat_map(|file| file.documents.iter().cloned())
    }

    fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }
}

impl Pos {
    /// The position that follows a stretch of text which begins at this one.
    pub(crate) fn after(self, text: &str) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut pos = self;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let breaks = c == '\n' || (c == '\r' && chars.peek() != Some(&'\n'));
            if breaks {
                pos.line = pos.line.saturating_add(1);
                pos.column = 1;
            } else {
                pos.column = pos.column.saturating_add(1);
            }
        }
        pos.byte = pos.byte.saturating_add(count(text.len()));
        pos
    }
}

impl Span {
    /// From the start of this one to the end of a later one of the same text.
    pub fn to(self, later: Self) -> Self {
        Self {
            end: later.end.max(self.end),
            ..self
        }
    }
}
