//! Regular expressions as RE2 reads them, in bounded size.
//!
//! The engine is linear in the text, whatever the pattern. Where its syntax means something else
//! than RE2's, on which every other CEL runs, the pattern is rewritten: `\d`, `\w`, `\s` and `\b`
//! know ASCII only, and in a class `[`, `&&`, `--` and `~~` are plain characters.

use regex::{Regex, RegexBuilder};

use crate::tree::Pattern;

/// The longest pattern that is computed while evaluating, in bytes.
pub(crate) const MAX_COMPUTED_BYTES: usize = 512;

/// What it costs to compile one.
pub(crate) const COMPILE_COST: usize = 5_000;

/// Most programs are below this size and run at the speed of the text.
const SMALL_BYTES: usize = 1 << 14;
const MAX_BYTES: usize = 1 << 17;

/// The pattern, compiled.
///
/// # Errors
/// When it is no regular expression of RE2, or too large a one; in words.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    let pattern = rewrite(pattern);
    if let Ok(regex) = build(&pattern, SMALL_BYTES) {
        return Ok(Pattern { regex, per_byte: 1 });
    }
    let per_byte = MAX_BYTES / SMALL_BYTES;
    match build(&pattern, MAX_BYTES) {
        Ok(regex) => Ok(Pattern { regex, per_byte }),
        Err(regex::Error::CompiledTooBig(_)) => Err("the pattern is too large".to_owned()),
        Err(error) => Err(last_line(&error.to_string())),
    }
}

fn build(pattern: &str, size: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(size)
        .dfa_size_limit(MAX_BYTES)
        .nest_limit(50)
        .build()
}

/// What is wrong, without the drawing of the pattern above it.
fn last_line(error: &str) -> String {
    let line = error.lines().next_back().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The same pattern in the syntax of the engine.
fn rewrite(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        let (written, after) = if first == '\\' {
            escape(rest, in_class)
        } else if in_class {
            class(rest, &mut in_class)
        } else if first == '[' {
            in_class = true;
            open_class(rest)
        } else {
            keep(rest, first.len_utf8())
        };
        out.push_str(written);
        rest = after;
    }
    out
}

fn keep(text: &str, bytes: usize) -> (&str, &str) {
    text.split_at_checked(bytes).unwrap_or((text, ""))
}

/// A backslash and what belongs to it.
fn escape(text: &str, in_class: bool) -> (&str, &str) {
    const CLASSES: [(&str, &str); 6] = [
        ("\\d", "[0-9]"),
        ("\\D", "[^0-9]"),
        ("\\w", "[0-9A-Za-z_]"),
        ("\\W", "[^0-9A-Za-z_]"),
        ("\\s", "[\\t\\n\\x0C\\r ]"),
        ("\\S", "[^\\t\\n\\x0C\\r ]"),
    ];
    const BOUNDARIES: [(&str, &str); 2] = [("\\b", "(?-u:\\b)"), ("\\B", "(?-u:\\B)")];
    let boundaries = if in_class { &[][..] } else { &BOUNDARIES[..] };
    let known = CLASSES.iter().chain(boundaries);
    let found = known
        .into_iter()
        .find_map(|(from, to)| Some((*to, text.strip_prefix(from)?)));
    let length = text.chars().take(2).map(char::len_utf8).sum();
    found.unwrap_or_else(|| keep(text, length))
}

/// `[` or `[^`, and a `]` that stands for itself because it comes first.
fn open_class(text: &str) -> (&str, &str) {
    let literal = ["[^]", "[]"]
        .into_iter()
        .find(|open| text.starts_with(open));
    if let Some(open) = literal {
        let written = if open == "[]" { "[\\]" } else { "[^\\]" };
        return (written, keep(text, open.len()).1);
    }
    keep(text, if text.starts_with("[^") { 2 } else { 1 })
}

/// One character of a class, or a named class.
fn class<'t>(text: &'t str, in_class: &mut bool) -> (&'t str, &'t str) {
    let named = text.strip_prefix("[:").and_then(|name| name.find(":]"));
    if let Some(length) = named {
        return keep(text, length + 4);
    }
    let plain = [("[", "\\["), ("&", "\\&"), ("~", "\\~"), ("--", "-\\-")];
    let found = plain
        .iter()
        .find_map(|(from, to)| Some((*to, text.strip_prefix(from)?)));
    if text.starts_with(']') {
        *in_class = false;
    }
    let length = text.chars().next().map_or(0, char::len_utf8);
    found.unwrap_or_else(|| keep(text, length))
}
