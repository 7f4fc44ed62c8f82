//! Places whose text no diagnostic shows.

use crate::source::{FileId, Span};

/// The places as they are found, in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct Withheld(Vec<Span>);

/// The same, in order and without overlaps.
pub(super) struct Masks(Vec<Span>);

impl Withheld {
    pub(super) fn add(&mut self, span: Span) {
        if span.start.byte < span.end.byte {
            self.0.push(span);
        }
    }

    pub(super) fn masks(&self) -> Masks {
        let mut spans = self.0.clone();
        spans.sort_unstable();
        spans.dedup_by(|later, kept| {
            let meets = later.file == kept.file && later.start <= kept.end;
            if meets {
                kept.end = kept.end.max(later.end);
            }
            meets
        });
        Masks(spans)
    }
}

impl Masks {
    /// The place that a byte of a text lies in.
    pub(super) fn at(&self, file: FileId, byte: u32) -> Option<&Span> {
        let after = self
            .0
            .partition_point(|it| (it.file, it.start.byte) <= (file, byte));
        let last = self.0.get(after.checked_sub(1)?)?;
        (last.file == file && byte < last.end.byte).then_some(last)
    }
}
