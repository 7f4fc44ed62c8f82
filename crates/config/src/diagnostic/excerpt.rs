//! The line of the source that a diagnostic is about, without what must not be shown.

use super::visible::{WITHHELD, visible};
use super::withheld::Masks;
use crate::source::{Files, Span};

/// What one line shows of the source.
pub(super) struct Excerpt {
    pub(super) line: u32,
    pub(super) text: String,
    /// Characters before the underlined part.
    pub(super) skip: usize,
    pub(super) underline: usize,
}

/// Characters shown before the place.
const BEFORE: usize = 60;
/// Characters shown in all.
const WIDTH: usize = 120;

/// One character as it is shown, or all of a text that is not.
struct Piece {
    shown: String,
    /// Where in the text it begins.
    start: usize,
    width: usize,
}

/// The line that a span begins in.
struct Line<'a> {
    content: &'a str,
    masks: &'a Masks,
    span: Span,
}

impl Excerpt {
    /// The line a span begins in: as much of it as fits, underlined to the end of the span or of what is shown. Looks no
    /// further than that, because a text may be one line of megabytes.
    pub(super) fn new(files: &Files, masks: &Masks, span: Span) -> Self {
        let line = Line {
            content: files.content(span.file),
            masks,
            span,
        };
        let place = line.place();
        let lead = line.lead(place);
        let skip = lead.chars().count();
        let width = WIDTH.saturating_sub(skip).max(1);
        let (mut text, mut marked, mut at) = (lead, 0, place);
        let mut used = 0;
        while let Some((piece, next)) = line.after(at) {
            if used + piece.width > width {
                text.push('…');
                break;
            }
            used += piece.width;
            let blank = piece.shown.trim().is_empty();
            if piece.start < span.end.byte as usize && !blank {
                marked = used;
            }
            text.push_str(&piece.shown);
            let Some(next) = next else { break };
            at = next;
        }
        Self {
            line: span.start.line,
            text: text.trim_end().to_owned(),
            skip,
            underline: marked.clamp(1, width),
        }
    }
}

impl Line<'_> {
    /// Where the span begins, or the text around it that is not shown, or the line.
    fn place(&self) -> usize {
        let start = self.span.start;
        match self.masks.at(self.span.file, start.byte) {
            None => start.byte as usize,
            Some(mask) if mask.start.line == start.line => mask.start.byte as usize,
            Some(_) => {
                let (before, _) = self.split(start.byte as usize);
                before.rfind(is_break).map_or(0, |at| at + 1)
            }
        }
    }

    /// What is shown before the place.
    fn lead(&self, place: usize) -> String {
        let (mut pieces, mut used, mut at) = (Vec::new(), 0, place);
        while let Some((piece, next)) = self.before(at) {
            if used + piece.width > BEFORE {
                pieces.push("…".to_owned());
                break;
            }
            used += piece.width;
            pieces.push(piece.shown);
            let Some(next) = next else { break };
            at = next;
        }
        pieces.into_iter().rev().collect()
    }

    /// The piece that begins here, and where the next one does if there is one on this line.
    fn after(&self, at: usize) -> Option<(Piece, Option<usize>)> {
        if let Some(mask) = self.masks.at(self.span.file, to_u32(at)) {
            let next = (mask.end.line == self.span.start.line).then_some(mask.end.byte as usize);
            return Some((Piece::withheld(at), next));
        }
        let (_, rest) = self.split(at);
        let c = rest.chars().next().filter(|c| !is_break(*c))?;
        Some((Piece::of(c, at), Some(at + c.len_utf8())))
    }

    /// The piece that ends here, and where it begins if there is more before it.
    fn before(&self, at: usize) -> Option<(Piece, Option<usize>)> {
        let (before, _) = self.split(at);
        let c = before.chars().next_back().filter(|c| !is_break(*c))?;
        let start = at - c.len_utf8();
        match self.masks.at(self.span.file, to_u32(start)) {
            Some(mask) => {
                let begins = mask.start.line == self.span.start.line;
                let start = mask.start.byte as usize;
                Some((Piece::withheld(start), begins.then_some(start)))
            }
            None => Some((Piece::of(c, start), Some(start))),
        }
    }

    fn split(&self, at: usize) -> (&str, &str) {
        let cut = self.content.split_at_checked(at);
        cut.unwrap_or((self.content, ""))
    }
}

impl Piece {
    fn of(c: char, start: usize) -> Piece {
        let shown = visible(c.encode_utf8(&mut [0; 4]));
        Piece {
            width: shown.chars().count(),
            shown,
            start,
        }
    }

    fn withheld(start: usize) -> Piece {
        Piece {
            shown: WITHHELD.to_owned(),
            start,
            width: WITHHELD.len(),
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
