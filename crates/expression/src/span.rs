//! From nodes of the tree back to the text they came from.
//!
//! The parser places a node at one token: a call at its `(`, a field at its `.`. The whole of a node
//! is found from the tokens of its parts, widened until brackets match.

use crate::guard::Partners;
use crate::lex::{Kind, Token};

/// A part of the source: `start..end` in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// From the first byte of both to the last.
    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// The tokens of a source and which of its brackets belong together.
pub(crate) struct Tokens {
    pub(crate) all: Vec<Token>,
    pub(crate) partners: Partners,
}

impl Tokens {
    /// Widens a span to whole brackets, and to the names that belong to its first and last token.
    pub(crate) fn widen(&self, span: Span) -> Span {
        let Some((mut first, mut last)) = self.range(span) else {
            return span;
        };
        let mut at = first;
        while at <= last {
            let partner = self.partners.get(at).copied().unwrap_or(at);
            first = first.min(partner);
            last = last.max(partner);
            at += 1;
        }
        let before = first.checked_sub(1);
        let call = self
            .kind(first)
            .is_some_and(|kind| matches!(kind, Kind::Open(_)));
        if let Some(before) = before.filter(|at| call && self.kind(*at) == Some(Kind::Name)) {
            first = before;
        }
        if self.kind(last) == Some(Kind::Dot) {
            last += 1;
        }
        match (self.all.get(first), self.all.get(last)) {
            (Some(first), Some(last)) => Span {
                start: first.start,
                end: last.end,
            },
            _ => span,
        }
    }

    /// Where the sign right before a span starts; the start of the span if there is none.
    pub(crate) fn sign_before(&self, span: Span) -> usize {
        let before = self.range(span).and_then(|(first, _)| first.checked_sub(1));
        let token = before.and_then(|at| self.all.get(at));
        let sign = token.filter(|token| token.kind == Kind::Prefix);
        sign.map_or(span.start, |token| token.start)
    }

    /// The token before the last one of a span: the field in `has(a.field)`.
    pub(crate) fn last_but_one(&self, span: Span) -> Span {
        let last = self.range(span).and_then(|(_, last)| last.checked_sub(1));
        last.and_then(|at| self.all.get(at))
            .map_or(span, |token| Span {
                start: token.start,
                end: token.end,
            })
    }

    /// Positions of the first and the last token of a span.
    fn range(&self, span: Span) -> Option<(usize, usize)> {
        let first = self.all.partition_point(|token| token.end <= span.start);
        let after = self.all.partition_point(|token| token.start < span.end);
        Some((first, after.checked_sub(1)?)).filter(|(first, last)| first <= last)
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.all.get(at).map(|token| token.kind)
    }
}
