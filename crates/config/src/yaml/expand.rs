//! `${VAR}` in the scalars of a document.
//!
//! `${VAR}` is the variable's value, `${VAR:-text}` has a default for a variable that is unset or empty, `$${` is a literal
//! `${`. Everything else that has a dollar sign stays as it is. A plain scalar is typed after it is replaced.
//!
//! The text as written is kept beside the value, and is all that a message ever shows.

use std::sync::Arc;

use super::node::{Node, Scalar, Typed, Value};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::source::{Files, Span};

/// Looks a variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The longest text that variables may make of one scalar.
const MAX_EXPANDED: usize = 1 << 20;

/// When a variable that cannot be replaced is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// At once.
    Report,
    /// When something reads the scalar. For data that is not ours until something refers to it: a ConfigMap may hold the
    /// script of another program.
    Defer,
}

/// Replaces the variables in all scalars of a tree. A scalar that cannot be replaced is left [`Value::Broken`].
pub fn expand(
    node: &mut Node,
    files: &Files,
    env: Environment<'_>,
    unset: Unset,
    diags: &mut Diagnostics,
) {
    match &mut node.value {
        Value::Sequence(items) => {
            for item in items {
                expand(item, files, env, unset, diags);
            }
        }
        Value::Mapping(entries) => {
            for (_, value) in entries {
                expand(value, files, env, unset, diags);
            }
        }
        Value::Scalar(scalar) if scalar.text.contains("${") => {
            if let Err(error) = replace(scalar, node.span, files, env) {
                let deferred = match unset {
                    Unset::Defer => Some(error),
                    Unset::Report => {
                        diags.push(*error);
                        None
                    }
                };
                node.value = Value::Broken(deferred);
            }
        }
        Value::Scalar(_) | Value::Broken(_) => {}
    }
}

fn replace(
    scalar: &mut Scalar,
    span: Span,
    files: &Files,
    env: Environment<'_>,
) -> Result<(), Box<Diagnostic>> {
    let mut text = String::new();
    let mut rest: &str = &scalar.text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            text.push_str(before);
            text.push_str("${");
            rest = after;
            continue;
        }
        text.push_str(before);
        let place = || narrow(files, span, after);
        let Some((reference, tail)) = after.split_once('}') else {
            return Err(malformed("`${` without a closing `}`", place()));
        };
        text.push_str(&lookup(reference, env, place)?);
        if text.len() > MAX_EXPANDED {
            let message = format!("variables make this text longer than {MAX_EXPANDED} bytes");
            return Err(Box::new(
                Diagnostic::error("too-large", message)
                    .at(span)
                    .help("use a shorter value"),
            ));
        }
        rest = tail;
    }
    text.push_str(rest);
    let written = std::mem::replace(&mut scalar.text, text.into());
    scalar.written = Some(Arc::clone(&written));
    if scalar.typed() == Typed::Null {
        // Nothing is an absent field, and an absent field can be one that no longer restricts anything.
        let message = format!("{} is empty", quoted(&written));
        let help = "give the variable a value, or put quotes around it if an empty text is meant";
        return Err(Box::new(
            Diagnostic::error("empty-variable", message)
                .at(span)
                .help(help),
        ));
    }
    Ok(())
}

fn lookup(
    reference: &str,
    env: Environment<'_>,
    place: impl Fn() -> Span,
) -> Result<String, Box<Diagnostic>> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !legal || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        // Without the text itself: in a Secret it may be part of a password.
        return Err(malformed("this `${…}` is not a variable", place()));
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let error = Diagnostic::error(
                "unset-variable",
                format!("variable {} is not set", quoted(name)),
            );
            let help = format!(
                "set it, give a default as in `${{{name}:-value}}`, or write `$${{{name}}}` for the text itself"
            );
            Err(Box::new(error.at(place()).help(help)))
        }
    }
}

fn malformed(message: &str, span: Span) -> Box<Diagnostic> {
    let help = "write `${NAME}` or `${NAME:-default}`, or `$${` for a literal `${`";
    Box::new(
        Diagnostic::error("bad-variable", message)
            .at(span)
            .help(help),
    )
}

/// The place of one reference inside a scalar, given the text that follows its `${`: found in the source if the scalar is
/// written as it reads, else the whole scalar.
fn narrow(files: &Files, span: Span, after: &str) -> Span {
    let reference = after.split_inclusive('}').next().unwrap_or(after);
    let needle = format!("${{{reference}");
    let source = files.slice(span);
    let Some((before, _)) = source.split_once(&needle) else {
        return span;
    };
    let start = span.start.after(before);
    Span {
        file: span.file,
        start,
        end: start.after(&needle),
    }
}
