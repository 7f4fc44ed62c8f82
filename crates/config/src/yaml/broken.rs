//! What must not be shown of a document that cannot be read to its end.
//!
//! It goes by looks, line by line, and hides too much where it cannot tell.

use std::ops::Range;

use super::secrets::{NAMES, Place, folded};
use crate::diagnostic::looks_secret;
use crate::source::preamble;

/// The stretches of a document that are not shown, as bytes.
pub(super) fn hidden(document: &str) -> Vec<Range<usize>> {
    if names_secret(document) {
        let whole = 0..document.len();
        return vec![whole];
    }
    let mut scan = Scan {
        text: document,
        config_map: document.contains("ConfigMap") && !document.contains("Secret"),
        above: Vec::new(),
        hidden: Vec::new(),
        until: 0,
        pem: false,
    };
    let mut at = 0;
    for line in document.split_inclusive(['\n', '\r']) {
        scan.line(at, line);
        at += line.len();
    }
    scan.hidden
}

/// Comments of any document that may hold a secret, as bytes: what is commented out was a value once. What looks like a
/// comment and is none is hidden all the same.
pub(super) fn comments(document: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in document.split_inclusive(['\n', '\r']) {
        if let Some((before, comment)) = line.split_once('#') {
            let named = |it: Word<'_>| it.key && Place::Open.under(it.text).hides();
            if looks_secret(comment) || words(comment).any(named) {
                found.push(at + before.len()..at + line.trim_end().len());
            }
        }
        at += line.len();
    }
    found
}

struct Scan<'a> {
    text: &'a str,
    /// `data` is that of a ConfigMap.
    config_map: bool,
    /// Keys that begin a line: their column, and the place below them.
    above: Vec<(usize, Place)>,
    hidden: Vec<Range<usize>>,
    /// Up to here nothing is shown.
    until: usize,
    /// Between the first and the last line of a private key.
    pem: bool,
}

/// A word that may be a key.
struct Word<'a> {
    text: &'a str,
    /// Bytes into the line.
    start: usize,
    end: usize,
    /// A colon follows.
    key: bool,
}

impl Scan<'_> {
    fn line(&mut self, at: usize, line: &str) {
        let content = line.trim_end();
        let column = content.len() - content.trim_start_matches([' ', '\t', '-']).len();
        if column == content.len() || at < self.until {
            return;
        }
        self.above.retain(|(above, _)| *above < column);
        let parent = self.above.last().map_or(Place::Open, |(_, place)| *place);
        let marker = content.contains("PRIVATE KEY-----");
        if parent == Place::Hidden || self.pem || looks_secret(content) {
            self.hidden.push(at + column..at + content.len());
        }
        self.pem = if marker {
            content.contains("BEGIN")
        } else {
            self.pem
        };
        let mut place = parent;
        for word in words(content) {
            let exempt = self.config_map && word.text == "data";
            let known = NAMES.contains(&folded(word.text).as_str());
            if exempt || !(known || word.key) {
                continue;
            }
            place = place.under(word.text);
            let rest = content.get(word.end..).unwrap_or_default();
            if place == Place::Keys && !opens(value(rest)) {
                place = Place::Hidden;
            }
            let before = content.get(column..word.start).unwrap_or_default();
            let first = before.trim_matches(['"', '\'']).is_empty();
            if word.key && first {
                self.above.push((column, place));
            }
            if place == Place::Hidden {
                let column = if first { column } else { indent(content) };
                return self.hide(at + word.end, column);
            }
        }
    }

    /// Hides a value: to the end of its line, and with what may belong to it on the lines that follow.
    fn hide(&mut self, from: usize, column: usize) {
        let rest = self.text.get(from..).unwrap_or_default();
        let value = value(rest);
        let start = rest.len() - value.len();
        let closed = start + closing(value);
        let (mut end, mut empty) = (0, true);
        for line in rest.split_inclusive(['\n', '\r']) {
            let deeper = line.trim().is_empty() || indent(line) > column;
            if end > 0 && end >= closed && !deeper && !empty && begins_with_key(line) {
                break;
            }
            empty &= !line.contains(char::is_alphanumeric);
            end += line.len();
        }
        self.until = from + end;
        self.hidden.push(from + start..from + end.max(start));
    }
}

/// What follows a key, without the end of its quotes and the colon.
fn value(after: &str) -> &str {
    let blank = [' ', '\t'];
    let after = after.strip_prefix(['"', '\'']).unwrap_or(after);
    let after = after.trim_start_matches(blank);
    let after = after.strip_prefix(':').unwrap_or(after);
    after.trim_start_matches(blank)
}

/// Whether the value of `jwks` is a mapping, or nothing on this line.
fn opens(value: &str) -> bool {
    value.is_empty() || value.starts_with(['{', '#'])
}

/// Bytes up to the end of quotes or brackets that a value begins with; all of them where there is none.
fn closing(value: &str) -> usize {
    let Some(first @ ('"' | '\'' | '[' | '{')) = value.chars().next() else {
        return 0;
    };
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, c) in value.char_indices() {
        let ends = match first {
            '"' | '\'' => at > 0 && c == first && !escaped,
            _ if matches!(c, '[' | '{') => {
                depth += 1;
                false
            }
            _ if matches!(c, ']' | '}') => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            _ => false,
        };
        if ends {
            return at;
        }
        escaped = c == '\\' && !escaped;
    }
    value.len()
}

fn words(line: &str) -> impl Iterator<Item = Word<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = line.get(from..)?;
        let start = from + rest.find(is_word)?;
        let rest = line.get(start..)?;
        let end = start + rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        from = end;
        let after = line.get(end..)?.trim_start_matches(['"', '\'', ' ', '\t']);
        Some(Word {
            text: line.get(start..end)?.trim_start_matches('-'),
            start,
            end,
            key: after.starts_with(':'),
        })
    })
}

fn begins_with_key(line: &str) -> bool {
    let first = words(line).next();
    first.is_some_and(|word| {
        let before = line.get(..word.start).unwrap_or_default();
        word.key
            && before
                .trim_matches([' ', '\t', '-', '"', '\'', '{', '['])
                .is_empty()
    })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
/// Whether the text of a document may be that of a Secret, or a list with one. It must work on text that cannot be parsed,
/// so it goes by looks, and says yes where it cannot tell: a Gateway that refers to a Secret is to be told from one, a
/// Gateway in JSON is not.
fn names_secret(document: &str) -> bool {
    let mut lines = document
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}'));
    let first = lines.find(|line| !preamble(line) && line.trim_end() != "---");
    let root = first.map_or(0, indent);
    let block = first.is_some_and(|line| line.trim_start().starts_with(char::is_alphabetic));
    let list = kinds(document).any(|(_, kind)| kind.contains("List"));
    kinds(document).any(|(indent, kind)| {
        let nested = block && !list && indent.is_none_or(|indent| indent > root);
        kind.contains("Secret") && !nested
    })
}

/// Every value of a key `kind`, with its indentation if the key begins a line.
fn kinds(document: &str) -> impl Iterator<Item = (Option<usize>, &str)> {
    document.match_indices("kind").filter_map(|(at, key)| {
        let (before, after) = document.split_at_checked(at)?;
        let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        let line = line.trim_end_matches(['"', '\'']);
        let line = line.trim_start_matches('\u{feff}');
        let begins = line.trim_start_matches([' ', '\t', '-']).is_empty();

        let after = after
            .strip_prefix(key)?
            .trim_start_matches(['"', '\'', ' ', '\t']);
        let value = after.strip_prefix(':')?.trim_start();
        let value = value
            .split(['\n', '\r', ',', '}'])
            .next()
            .unwrap_or_default();
        Some((begins.then_some(line.len()), value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_in_any_spelling() {
        for text in [
            "kind: Secret\n",
            "a: 1\nkind:   'Secret' # c",
            "  a: 1\n  kind: Secret",
            "  a: 1\n kind: Secret",
            "--- # c\n# c\n\"kind\": \"Secret\"",
            "--- {kind: Secret}",
            "{\"kind\":\"Secret\"}",
            "kind:\n  Secret",
            "kind: &x !!str Secret",
            "- kind : Secret",
            "kind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n",
            "\u{feff}kind: Secret\r\n",
            "\tkind: Secret",
        ] {
            assert!(names_secret(text), "{text}");
        }
    }

    #[test]
    fn references_to_secrets_are_none() {
        for text in [
            "kind: ConfigMap\n",
            "secret: x\nkind: HTTPRoute",
            "",
            "kind: Gateway\nspec:\n  certificateRefs:\n  - kind: Secret\n    name: x\n",
            "---\nkind: Gateway\nspec:\n  tls:\n    ref: {name: x}\n    kind: Secret\n",
            "kind: Gateway\nspec:\n  tls: {certificateRefs: [{kind: Secret, name: x}]\n",
        ] {
            assert!(!names_secret(text), "{text}");
        }
    }
}
