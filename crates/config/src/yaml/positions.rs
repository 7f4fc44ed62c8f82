//! From the parser's positions, which count the characters of one document, to positions in the whole text.

use crate::source::{FileId, Pos, Span};

/// The positions of one document.
pub(super) struct Positions<'a> {
    file: FileId,
    text: &'a str,
    /// Where the document begins, and what the parser is given of it: it always begins a line.
    base: Pos,
    /// Byte offset of each character; empty if every character is one byte.
    bytes: Vec<u32>,
    /// Character offset at which each line begins.
    lines: Vec<usize>,
}

impl<'a> Positions<'a> {
    /// Of a document that begins at a position of its file.
    pub(super) fn new(file: FileId, base: Pos, text: &'a str) -> Self {
        let mut bytes = Vec::new();
        if !text.is_ascii() {
            bytes.extend(text.char_indices().map(|(at, _)| to_u32(at)));
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
            text,
            base,
            bytes,
            lines,
        }
    }

    /// The span between two characters.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span {
            file: self.file,
            start: self.pos(start),
            end: self.pos(end.max(start)),
        }
    }

    /// Moves the end of a range back over white space.
    pub(super) fn trim(&self, start: usize, end: usize) -> usize {
        let range = self.text.get(self.byte(start)..self.byte(end));
        let blank = |c: &char| c.is_ascii_whitespace();
        end - range.map_or(0, |text| text.chars().rev().take_while(blank).count())
    }

    /// The last character that is not white space.
    pub(super) fn last(&self) -> usize {
        self.trim(0, self.chars()).saturating_sub(1)
    }

    /// The dash that is the next thing from here on, if it is one.
    pub(super) fn dash(&self, index: usize) -> Option<usize> {
        let mut chars = self.text.get(self.byte(index)..)?.chars();
        let blanks = chars.position(|c| !c.is_ascii_whitespace())?;
        let next = self.text.get(self.byte(index + blanks)..)?;
        next.starts_with('-').then_some(index + blanks)
    }

    /// Where the next document begins.
    pub(super) fn end(&self) -> Pos {
        Pos {
            byte: self.base.byte.saturating_add(to_u32(self.text.len())),
            line: self.base.line.saturating_add(to_u32(self.lines.len() - 1)),
            column: 1,
        }
    }

    fn pos(&self, index: usize) -> Pos {
        let index = self.whole(index.min(self.chars()));
        let line = self.lines.partition_point(|start| *start <= index).max(1) - 1;
        let column = index - self.lines.get(line).copied().unwrap_or_default();
        Pos {
            byte: self.base.byte.saturating_add(to_u32(self.byte(index))),
            line: self.base.line.saturating_add(to_u32(line)),
            column: to_u32(column).saturating_add(1),
        }
    }

    /// Not between the two characters of a line break.
    fn whole(&self, index: usize) -> usize {
        let byte = self.byte(index);
        let inside = self
            .text
            .get(..byte)
            .is_some_and(|text| text.ends_with('\r'))
            && self
                .text
                .get(byte..)
                .is_some_and(|text| text.starts_with('\n'));
        index - usize::from(inside)
    }

    fn chars(&self) -> usize {
        if self.bytes.is_empty() {
            self.text.len()
        } else {
            self.bytes.len()
        }
    }

    fn byte(&self, index: usize) -> usize {
        if self.bytes.is_empty() {
            return index.min(self.text.len());
        }
        let byte = self.bytes.get(index).map(|byte| *byte as usize);
        byte.unwrap_or(self.text.len())
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
