//! Readers of strings, booleans, numbers and words.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::yaml::{Node, Scalar, Typed, Value};

/// A string that is not empty.
pub fn string(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    string_of(1..=usize::MAX)(node, diags)
}

/// A string that may be empty.
pub fn any_string(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    string_of(0..=usize::MAX)(node, diags)
}

/// A string whose length in characters lies in a range. The message never shows it.
pub fn string_of(
    length: RangeInclusive<usize>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Arc<str>> {
    move |node, diags| {
        let scalar = scalar(node, "a string", diags)?;
        let help = match scalar.typed() {
            Typed::String => return of_length(node, scalar, &length, diags),
            Typed::Null => "write a text, or `\"\"` for an empty one",
            Typed::Bool(_) | Typed::Int(_) | Typed::Float(_) => "put it in quotes",
        };
        wrong_type(node, "a string", help, diags);
        None
    }
}

fn of_length(
    node: &Node,
    scalar: &Scalar,
    length: &RangeInclusive<usize>,
    diags: &mut Diagnostics,
) -> Option<Arc<str>> {
    let characters = scalar.text.chars().count();
    if length.contains(&characters) {
        return Some(Arc::clone(&scalar.text));
    }
    let (message, help) = if characters == 0 {
        (
            "this string must not be empty".into(),
            "write a text".into(),
        )
    } else {
        let help = format!("write {}", bounds(length, "character"));
        (
            format!("this string has {}", count(characters, "character")),
            help,
        )
    };
    diags.push(
        Diagnostic::error("out-of-range", message)
            .at(node.span)
            .help(help),
    );
    None
}

/// `true` or `false`.
pub fn boolean(node: &Node, diags: &mut Diagnostics) -> Option<bool> {
    let scalar = scalar(node, "a boolean", diags)?;
    if let Typed::Bool(value) = scalar.typed() {
        return Some(value);
    }
    // Words of YAML 1.1, which `kubectl` still takes for booleans.
    let help = match scalar.text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "true" => "write `true`, without quotes",
        "no" | "off" | "n" | "false" => "write `false`, without quotes",
        _ => "write `true` or `false`",
    };
    wrong_type(node, "a boolean", help, diags);
    None
}

/// An integer in a range.
pub fn int_in<T>(range: RangeInclusive<T>) -> impl Fn(&Node, &mut Diagnostics) -> Option<T>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    move |node, diags| {
        let help = format!("write an integer from {} to {}", range.start(), range.end());
        let scalar = scalar(node, "an integer", diags)?;
        let Typed::Int(value) = scalar.typed() else {
            wrong_type(node, "an integer", &help, diags);
            return None;
        };
        // YAML 1.1 reads a leading zero as octal, YAML 1.2 does not: whoever wrote it meant one of the two.
        let digits = scalar.text.trim_start_matches(['-', '+']);
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
        {
            invalid(
                node,
                "is ambiguous",
                "leave out the leading zero, or write `0o` for octal",
                diags,
            );
            return None;
        }
        let value = T::try_from(value)
            .ok()
            .filter(|value| range.contains(value));
        if value.is_none() {
            out_of_range(node, &help, diags);
        }
        value
    }
}

/// One word of a table.
pub fn choice<T: Copy>(
    table: &[(&'static str, T)],
) -> impl Fn(&Node, &mut Diagnostics) -> Option<T> {
    move |node, diags| {
        let scalar = scalar(node, "a string", diags)?;
        let found = table.iter().find(|(word, _)| *word == &*scalar.text);
        if let Some((_, value)) = found {
            return Some(*value);
        }
        let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
        let help = match nearest(scalar.shown(), &words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "write {}",
                words
                    .iter()
                    .map(|word| format!("`{word}`"))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
        };
        invalid(node, "is not a value of this field", &help, diags);
        None
    }
}

/// Reports a value that is of the right type but too small or too large.
pub(super) fn out_of_range(node: &Node, help: &str, diags: &mut Diagnostics) {
    let shown = match &node.value {
        Value::Scalar(scalar) => quoted(scalar.shown()),
        _ => node.describe().to_owned(),
    };
    let error = Diagnostic::error("out-of-range", format!("{shown} is out of range"));
    diags.push(error.at(node.span).help(help));
}

/// The scalar in a node; anything else is an error.
fn scalar<'n>(node: &'n Node, expected: &str, diags: &mut Diagnostics) -> Option<&'n Scalar> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar),
        _ => {
            mismatch(node, &format!("expected {expected}"), diags);
            None
        }
    }
}

/// A string of some grammar of its own. The parser says `None` to what is not of it, and then `problem` completes the
/// message: `` `x` is not a hostname ``.
pub fn parsed<T>(
    parse: impl Fn(&str) -> Option<T>,
    problem: &'static str,
    help: &'static str,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<T> {
    move |node, diags| {
        let text = string(node, diags)?;
        let value = parse(&text);
        if value.is_none() {
            invalid(node, problem, help, diags);
        }
        value
    }
}

/// Reports a value that is not acceptable, shown as it was written: `` `x` is not a hostname ``. Not for secrets.
pub fn invalid(node: &Node, problem: &str, help: &str, diags: &mut Diagnostics) {
    let shown = match &node.value {
        Value::Scalar(scalar) => quoted(scalar.shown()),
        _ => format!("this {}", node.describe().trim_start_matches("a ")),
    };
    let error = Diagnostic::error("invalid-value", format!("{shown} {problem}"));
    diags.push(error.at(node.span).help(help));
}

/// Reports a node of the wrong shape, or what made it unreadable.
pub(super) fn mismatch(node: &Node, message: &str, diags: &mut Diagnostics) {
    match &node.value {
        Value::Broken(Some(deferred)) => diags.push(deferred.as_ref().clone()),
        Value::Broken(None) => {}
        _ => {
            let error = Diagnostic::error(
                "wrong-type",
                format!("{message}, found {}", node.describe()),
            );
            diags.push(
                error
                    .at(node.span)
                    .help("change the value, or check the indentation"),
            );
        }
    }
}

fn wrong_type(node: &Node, expected: &str, help: &str, diags: &mut Diagnostics) {
    let message = format!("expected {expected}, found {}", node.describe());
    diags.push(
        Diagnostic::error("wrong-type", message)
            .at(node.span)
            .help(help),
    );
}

/// `from 2 to 16 items`, `at least 1 item`, `at most 16 items`.
pub(super) fn bounds(range: &RangeInclusive<usize>, unit: &str) -> String {
    match (*range.start(), *range.end()) {
        (low, usize::MAX) => format!("at least {}", count(low, unit)),
        (0, high) => format!("at most {}", count(high, unit)),
        (low, high) if low == high => format!("exactly {}", count(low, unit)),
        (low, high) => format!("from {low} to {}", count(high, unit)),
    }
}

/// `1 item`, `2 items`.
pub(super) fn count(n: usize, unit: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {unit}{plural}")
}
