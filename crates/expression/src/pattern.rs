//! Regular expressions as RE2 reads them, in bounded size.
//!
//! The engine is linear in the text, whatever the pattern. Where its syntax means something else
//! than RE2's, on which every other CEL runs, the pattern is rewritten: `\d`, `\w`, `\s` and `\b`
//! know ASCII only, `\<` and `\>` and braces that count nothing are plain characters, and so are
//! `[`, `&&`, `--` and `~~` in a class. Flags and escapes that RE2 lacks are refused.

use regex::{Regex, RegexBuilder};

use crate::tree::Pattern;

/// The longest pattern that is computed while evaluating, in bytes.
const MAX_COMPUTED_BYTES: usize = 512;

/// What it costs to compile one.
pub(crate) const COMPILE_COST: usize = 5_000;

/// Sizes of compiled programs. Most are small and run at the speed of the text; a larger one may need
/// to follow more alternatives at every byte, and is paid for by its size.
const SMALL: usize = 1 << 14;
const COMPUTED: usize = 1 << 17;
const LARGE: usize = 1 << 19;

/// A pattern that stands in the source, compiled.
///
/// # Errors
/// When it is no regular expression of RE2, or too large a one; in words.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    within(&[SMALL, COMPUTED, LARGE], pattern)
}

/// A pattern that is known only while evaluating, compiled.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_computed(pattern: &str) -> Result<Pattern, String> {
    if pattern.len() > MAX_COMPUTED_BYTES {
        return Err(TOO_LARGE.to_owned());
    }
    within(&[SMALL, COMPUTED], pattern)
}

const TOO_LARGE: &str = "the pattern is too large";

fn within(sizes: &[usize], pattern: &str) -> Result<Pattern, String> {
    let pattern = rewrite(pattern)?;
    for size in sizes {
        match build(&pattern, *size) {
            Ok(regex) => {
                let per_byte = size / SMALL;
                return Ok(Pattern { regex, per_byte });
            }
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(error) => return Err(last_line(&error.to_string())),
        }
    }
    Err(TOO_LARGE.to_owned())
}

fn build(pattern: &str, size: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(size)
        .dfa_size_limit(1 << 18)
        .nest_limit(50)
        .build()
}

/// What is wrong, without the drawing of the pattern above it.
fn last_line(error: &str) -> String {
    let line = error.lines().next_back().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The same pattern in the syntax of the engine.
///
/// # Errors
/// Where the engine knows something that RE2 does not.
fn rewrite(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        let (written, after) = if first == '\\' {
            escape(rest, in_class)?
        } else if in_class {
            class(rest, &mut in_class)
        } else if first == '[' {
            in_class = true;
            open_class(rest)
        } else if first == '{' && !counts(rest) {
            ("\\{", keep(rest, 1).1)
        } else {
            check_flags(rest)?;
            keep(rest, first.len_utf8())
        };
        out.push_str(written);
        rest = after;
    }
    Ok(out)
}

/// Whether a brace begins how often something is repeated: `{2}`, `{2,}`, `{2,3}`.
fn counts(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|it| it.split_once('}'));
    let number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    inner.is_some_and(|(inner, _)| match inner.split_once(',') {
        Some((from, to)) => number(from) && (to.is_empty() || number(to)),
        None => number(inner),
    })
}

/// Refuses flags that RE2 lacks: `(?x)`, `(?u:…)`.
fn check_flags(text: &str) -> Result<(), String> {
    let flags = text.strip_prefix("(?").unwrap_or_default();
    let flags = flags
        .chars()
        .take_while(|it| it.is_ascii_alphabetic() || *it == '-');
    match flags
        .take_while(|it| *it != 'P')
        .find(|it| !"imsU-".contains(*it))
    {
        Some(other) => Err(format!("there is no flag `{other}`")),
        None => Ok(()),
    }
}

fn keep(text: &str, bytes: usize) -> (&str, &str) {
    text.split_at_checked(bytes).unwrap_or((text, ""))
}

/// A backslash and what belongs to it.
fn escape(text: &str, in_class: bool) -> Result<(&str, &str), String> {
    const CLASSES: [(&str, &str); 6] = [
        ("\\d", "[0-9]"),
        ("\\D", "[^0-9]"),
        ("\\w", "[0-9A-Za-z_]"),
        ("\\W", "[^0-9A-Za-z_]"),
        ("\\s", "[\\t\\n\\x0C\\r ]"),
        ("\\S", "[^\\t\\n\\x0C\\r ]"),
    ];
    const PLAIN: [(&str, &str); 2] = [("\\<", "<"), ("\\>", ">")];
    const BOUNDARIES: [(&str, &str); 2] = [("\\b", "(?-u:\\b)"), ("\\B", "(?-u:\\B)")];
    let boundaries = if in_class { &[][..] } else { &BOUNDARIES[..] };
    let known = CLASSES.iter().chain(&PLAIN).chain(boundaries);
    let found = known
        .into_iter()
        .find_map(|(from, to)| Some((*to, text.strip_prefix(from)?)));
    let unknown = ["\\u", "\\U"].into_iter().find(|it| text.starts_with(it));
    if let Some(unknown) = unknown {
        return Err(format!("there is no escape `{unknown}`"));
    }
    let braced = ["\\x{", "\\p{", "\\P{"];
    let length = match text.find('}') {
        Some(end) if braced.iter().any(|it| text.starts_with(it)) => end + 1,
        _ => text.chars().take(2).map(char::len_utf8).sum(),
    };
    Ok(found.unwrap_or_else(|| keep(text, length)))
}

/// `[` or `[^`, and a `]` or `-` that stands for itself because it comes first.
fn open_class(text: &str) -> (&str, &str) {
    const FIRST: [(&str, &str, usize); 4] = [
        ("[]", "[\\]", 2),
        ("[^]", "[^\\]", 3),
        ("[--", "[\\-", 2),
        ("[^--", "[^\\-", 3),
    ];
    let first = FIRST.iter().find(|(start, ..)| text.starts_with(start));
    match first {
        Some((_, written, length)) => (*written, keep(text, *length).1),
        None => keep(text, if text.starts_with("[^") { 2 } else { 1 }),
    }
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

#[cfg(test)]
mod tests;
