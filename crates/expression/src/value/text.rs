//! Strings and bytes that borrow where they can and are shared, not copied, where they cannot.

use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// A string: borrowed from the program or the request, or made by the evaluation.
#[derive(Clone)]
pub enum Text<'a> {
    /// Somebody else's.
    Borrowed(&'a str),
    /// Made while evaluating.
    Shared(Rc<str>),
}

impl Text<'_> {
    /// The part in `range` (bytes); `None` where it does not fall on characters.
    pub(crate) fn part(&self, range: Range<usize>) -> Option<Self> {
        match self {
            Self::Borrowed(text) => text.get(range).map(Self::Borrowed),
            Self::Shared(text) => text.get(range).map(|part| Self::Shared(part.into())),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

/// Shows the length only: a claim's text belongs into no log.
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "string of {} bytes", self.len())
    }
}

/// Bytes: borrowed from the program or the request, or made by the evaluation.
#[derive(Clone)]
pub enum Blob<'a> {
    /// Somebody else's.
    Borrowed(&'a [u8]),
    /// Made while evaluating.
    Shared(Rc<[u8]>),
}

impl Deref for Blob<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Blob<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl From<Vec<u8>> for Blob<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Shared(bytes.into())
    }
}

/// Shows the length only, as [`Text`] does.
impl fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
