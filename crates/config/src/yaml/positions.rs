//! From the parser's positions, which count the characters of one document, to positions in the whole text.

use crate::source::{FileId, Pos, Span};

/// The positions of one document.
pub(super) struct Positions {
    file: FileId,
    /// Where the document begins.
    base: Pos,
    len: usize,
    /// Byte offset of each character; empty if every character is one byte.
    bytes: Vec<u32>,
    /// Character offset at which each line begins.
    lines: Vec<usize>,
}

impl Positions {
    /// Of a document that begins at the start of a line.
    pub(super) fn new(file: FileId, base: Pos, text: &str) -> Self {
        let mut bytes = Vec::new();
        if !text.is_ascii() {
            bytes.extend(
                text.char_indices()
                    .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)),
            );
        }
        let mut lines = vec![0];
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let lone_return = c == '\r' && !matches!(chars.peek(), Some((_, '\n')));
            if c == '\n' || lone_return {
                lines.push(at + 1);
            }
        }
        Self {
            file,
            base,
            len: text.len(),
            bytes,
            lines,
        }
    }

    /// The position of a character.
    pub(super) fn pos(&self, char_index: usize) -> Pos {
        let chars = if self.bytes.is_empty() {
            self.len
        } else {
            self.bytes.len()
        };
        let index = char_index.min(chars);
        let byte = if self.bytes.is_empty() {
            index
        } else {
            self.bytes
                .get(index)
                .map_or(self.len, |byte| *byte as usize)
        };
        let line = self.lines.partition_point(|start| *start <= index).max(1) - 1;
        let column = index - self.lines.get(line).copied().unwrap_or_default();
        let first_column = if line == 0 { self.base.column } else { 1 };
        Pos {
            byte: self.base.byte.saturating_add(to_u32(byte)),
            line: self.base.line.saturating_add(to_u32(line)),
            column: to_u32(column).saturating_add(first_column),
        }
    }

    /// The span between two characters.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let start_pos = self.pos(start);
        Span {
            file: self.file,
            start: start_pos,
            end: self.pos(end.max(start)),
        }
    }

    /// How many lines the document has before its last one.
    pub(super) fn breaks(&self) -> u32 {
        to_u32(self.lines.len() - 1)
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
