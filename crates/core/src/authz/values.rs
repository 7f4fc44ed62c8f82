//! Values of one list, arranged so that its length hardly matters.

use std::cmp::Ordering;

use foldhash::{HashSet, HashSetExt};

use super::text::Text;

/// The values of one list.
#[derive(Debug, Clone, Default)]
pub(super) struct TextSet {
    exact: Exact,
    prefixes: Ends,
    suffixes: Ends,
    /// `*` is among them.
    pub(super) present: bool,
}

#[derive(Debug, Clone)]
enum Exact {
    /// So few that comparing is faster than hashing.
    Few(Box<[Box<[u8]>]>),
    Many(HashSet<Box<[u8]>>),
}

impl Default for Exact {
    fn default() -> Exact {
        Exact::Few(Box::default())
    }
}

const FEW: usize = 6;

impl TextSet {
    pub(super) fn new<'t>(texts: impl IntoIterator<Item = &'t Text>) -> TextSet {
        let (mut exact, mut prefixes, mut suffixes) = (HashSet::new(), Vec::new(), Vec::new());
        let mut present = false;
        for text in texts {
            match text {
                Text::Exact(it) => {
                    exact.insert(Box::from(it.as_bytes()));
                }
                Text::Prefix(it) => prefixes.push(it.as_bytes()),
                Text::Suffix(it) => suffixes.push(it.as_bytes()),
                Text::Present => present = true,
            }
        }
        TextSet {
            exact: match exact.len() {
                ..=FEW => Exact::Few(exact.into_iter().collect()),
                _ => Exact::Many(exact),
            },
            prefixes: Ends::new(prefixes, End::Start),
            suffixes: Ends::new(suffixes, End::Tail),
            present,
        }
    }

    /// Whether a value that is there matches; `*` wants one that is not empty.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        self.matches_text(value) || (self.present && !value.is_empty())
    }

    /// Whether a value matches a text of the list, `*` left aside.
    pub(super) fn matches_text(&self, value: &[u8]) -> bool {
        let exact = match &self.exact {
            Exact::Few(few) => few.iter().any(|it| **it == *value),
            Exact::Many(many) => many.contains(value),
        };
        exact || self.prefixes.matches(value) || self.suffixes.matches(value)
    }
}

/// Which end of a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum End {
    /// `v*`
    #[default]
    Start,
    /// `*v`
    Tail,
}

impl End {
    /// Compares a text of the configuration with a value, from this end.
    pub(super) fn compare(self, text: &[u8], value: &[u8]) -> Ordering {
        match self {
            End::Start => text.cmp(value),
            End::Tail => text.iter().rev().cmp(value.iter().rev()),
        }
    }

    /// Whether a value has this text at this end.
    pub(super) fn has(self, value: &[u8], text: &[u8]) -> bool {
        match self {
            End::Start => value.starts_with(text),
            End::Tail => value.ends_with(text),
        }
    }
}

/// Prefixes or suffixes, none of which covers another, sorted from their end:
/// only the one right before a value can be one of its own.
#[derive(Debug, Clone, Default)]
struct Ends {
    end: End,
    texts: Box<[Box<[u8]>]>,
}

impl Ends {
    fn new(mut texts: Vec<&[u8]>, end: End) -> Ends {
        texts.sort_by(|a, b| end.compare(a, b));
        // Whatever begins with an earlier one follows it.
        texts.dedup_by(|next, before| end.has(next, before));
        Ends {
            end,
            texts: texts.into_iter().map(Into::into).collect(),
        }
    }

    fn matches(&self, value: &[u8]) -> bool {
        let after = match &*self.texts {
            [] => return false,
            [text] => return self.end.has(value, text),
            texts => texts.partition_point(|it| self.end.compare(it, value).is_le()),
        };
        let before = after.checked_sub(1).and_then(|it| self.texts.get(it));
        before.is_some_and(|text| self.end.has(value, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn presence_wants_something() {
        let any = TextSet::new(&[Text::Present]);
        assert!(any.matches(b"x") && !any.matches(b"") && !any.matches_text(b"x"));
        let many: Vec<Text> = (0..50)
            .map(|it| Text::Exact(format!("v{it}").into()))
            .collect();
        let many = TextSet::new(&many);
        assert!(many.matches(b"v49") && !many.matches(b"v50") && !many.matches(b"v"));
    }

    proptest! {
        #[test]
        fn a_set_matches_what_one_of_its_texts_matches(
            texts in proptest::collection::vec("\\*?[ab]{0,3}\\*?", 0..12),
            value in "[ab*]{0,5}",
        ) {
            let texts: Vec<Text> = texts.iter().map(|it| Text::parse(it)).collect();
            let wanted = texts.iter().any(|it| it.matches(&value));
            prop_assert_eq!(TextSet::new(&texts).matches(value.as_bytes()), wanted, "{:?}", texts);
        }
    }
}
