//! What is wrong with a source text, where, and what to write instead.

use std::fmt;

/// A reason why a source text does not become a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes from the start of the source.
    pub offset: usize,
    /// What is wrong: lower case, one line, no final period.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Mistake {
    pub(crate) fn new(offset: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at offset {})", self.message, self.offset)
    }
}

impl std::error::Error for Mistake {}

/// The name that was probably meant, if one of `known` is close enough.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let close = known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate));
    let (distance, candidate) = close.min_by_key(|(distance, _)| *distance)?;
    (distance <= name.len().max(3) / 3).then_some(candidate)
}

/// How many characters have to be changed, added or left out; a change of case counts nothing.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.chars().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (of_b, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = before + usize::from(!of_a.eq_ignore_ascii_case(of_b));
            left = changed.min(above + 1).min(left + 1);
            before = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
