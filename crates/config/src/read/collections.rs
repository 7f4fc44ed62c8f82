//! Readers of lists and maps, and of values with their places.

use std::ops::{Deref, RangeInclusive};

use super::scalars::{bounds, count, mismatch};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::yaml::{Key, Node, Value};

/// A value and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Keeps the place of what is read, for errors that only show once the whole configuration is known.
pub fn spanned<T>(
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Spanned<T>> {
    move |node, diags| {
        let value = read(node, diags)?;
        Some(Spanned {
            value,
            span: node.span,
        })
    }
}

/// A list of any length. Items that were refused are left out.
pub fn list<T>(
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Vec<T>> {
    list_in(0..=usize::MAX, read)
}

/// A list whose length lies in a range. Items that were refused are left out.
pub fn list_in<T>(
    length: RangeInclusive<usize>,
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Vec<T>> {
    move |node, diags| {
        let Value::Sequence(items) = &node.value else {
            mismatch(node, "expected a list", diags);
            return None;
        };
        if !length.contains(&items.len()) {
            let message = format!("this list has {}", count(items.len(), "item"));
            let help = format!("write {}", bounds(&length, "item"));
            diags.push(
                Diagnostic::error("out-of-range", message)
                    .at(node.span)
                    .help(help),
            );
        }
        Some(items.iter().filter_map(|item| read(item, diags)).collect())
    }
}

/// A map with keys of the author's choice, in their order. Values that were refused are left out.
pub fn map<T>(
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Vec<(Key, T)>> {
    move |node, diags| {
        let Value::Mapping(entries) = &node.value else {
            mismatch(node, "expected a mapping", diags);
            return None;
        };
        let entries = entries
            .iter()
            .filter_map(|(key, node)| Some((key.clone(), read(node, diags)?)));
        Some(entries.collect())
    }
}
