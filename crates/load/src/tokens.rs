//! A file of tokens, one a line, held once in memory.

use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::fault::Fault;

/// The lines of a file, from one of them on and round again.
pub(crate) struct Tokens {
    text: String,
    /// INVARIANT: not empty, each a range of `text`.
    lines: Vec<Range<usize>>,
    from: u64,
}

impl Tokens {
    /// Reads a file; the token of request 0 is line `from`, counted from 0.
    ///
    /// # Errors
    /// When it cannot be read or has no lines.
    pub(crate) fn read(path: &Path, from: u64) -> Result<Self, Fault> {
        let unusable = |why: String| Fault::failure(format!("`{}`: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        Self::new(text, from).ok_or_else(|| unusable("no tokens in it".to_owned()))
    }

    fn new(text: String, from: u64) -> Option<Self> {
        let mut lines = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let token = line.trim_end();
            if !token.is_empty() {
                lines.push(at..at + token.len());
            }
            at += line.len();
        }
        (!lines.is_empty()).then_some(Self { text, lines, from })
    }

    /// The token of request `index`.
    pub(crate) fn at(&self, index: u64) -> &str {
        let line = self.from.wrapping_add(index) % self.lines.len() as u64;
        usize::try_from(line)
            .ok()
            .and_then(|line| self.text.get(self.lines.get(line)?.clone()))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str, from: u64, count: u64) -> Option<Vec<String>> {
        let tokens = Tokens::new(text.to_owned(), from)?;
        Some((0..count).map(|it| tokens.at(it).to_owned()).collect())
    }

    #[test]
    fn lines_come_in_order_from_the_one_named_and_round_again() {
        let cases: &[(&str, u64, &[&str])] = &[
            ("a\nb\nc\n", 0, &["a", "b", "c", "a"]),
            ("a\nb\nc", 2, &["c", "a", "b"]),
            ("a\r\n\nb\n", 0, &["a", "b", "a"]),
            ("a\n", 7, &["a", "a"]),
        ];
        for (text, from, expected) in cases {
            let got = first(text, *from, expected.len() as u64).expect("lines");
            assert_eq!(got, *expected, "{text:?} from {from}");
        }
    }

    #[test]
    fn a_file_without_tokens_is_refused() {
        assert_eq!(first("", 0, 1), None);
        assert_eq!(first("\n\n", 0, 1), None);
        let fault = Tokens::read(Path::new("/nonexistent"), 0).err();
        assert!(fault.is_some_and(|it| it.to_string().starts_with("`/nonexistent`: ")));
    }
}
