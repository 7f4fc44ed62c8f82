//! The tree of a document.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

/// One YAML document.
#[derive(Clone, Debug)]
pub struct Document {
    /// The text it stands in.
    pub file: FileId,
    /// Its root.
    pub node: Node,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands. The content of an alias stands where its anchor does.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text, quoted or not.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys, unique, in their order, with their values.
    Mapping(Vec<(Key, Node)>),
    /// Cannot be used. Reading it reports why, unless that has been done.
    Broken(Option<Box<Diagnostic>>),
}

/// A key of a mapping and its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

/// A text in a document.
#[derive(Clone)]
pub struct Scalar {
    /// Its value.
    pub text: Arc<str>,
    /// Whether it is typed by its looks: written without quotes, or with a tag such as `!!int`.
    pub plain: bool,
    /// The text as it stood before variables were replaced, if any were.
    pub written: Option<Arc<str>>,
}

/// What the core schema takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Typed {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Decimal, `0x…` or `0o…`.
    Int(i128),
    /// A number with a point or an exponent, `.inf`, `.nan`, or an integer beyond every bound.
    Float(f64),
    /// Anything else, and everything quoted.
    String,
}

impl Node {
    /// Whether this is the null value, which Kubernetes takes for an absent field.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.typed() == Typed::Null)
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn child(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .find(|(key, _)| &*key.text == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether variables were replaced in it, or anywhere in it.
    pub fn is_expanded(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => scalar.written.is_some(),
            Value::Sequence(items) => items.iter().any(Self::is_expanded),
            Value::Mapping(entries) => entries.iter().any(|(_, node)| node.is_expanded()),
            Value::Broken(_) => false,
        }
    }

    /// What a message calls it: `a string`, `a mapping`.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Broken(_) => "an unreadable value",
            Value::Scalar(scalar) => match scalar.typed() {
                Typed::Null => "null",
                Typed::Bool(_) => "a boolean",
                Typed::Int(_) => "an integer",
                Typed::Float(_) => "a number",
                Typed::String => "a string",
            },
        }
    }
}

impl Scalar {
    /// The type that the core schema of YAML 1.2 gives it (section 10.3.2).
    pub fn typed(&self) -> Typed {
        if !self.plain {
            return Typed::String;
        }
        match &*self.text {
            "" | "~" | "null" | "Null" | "NULL" => Typed::Null,
            "true" | "True" | "TRUE" => Typed::Bool(true),
            "false" | "False" | "FALSE" => Typed::Bool(false),
            text => int(text).or_else(|| float(text)).unwrap_or(Typed::String),
        }
    }

    /// The text as its author wrote it: with variables still in place.
    pub fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }
}

/// Says nothing of the text, which may be a secret.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = if self.plain { "plain" } else { "quoted" };
        write!(f, "Scalar({style}, {} bytes)", self.text.len())
    }
}

fn int(text: &str) -> Option<Typed> {
    let digits = |text: &str, radix| {
        let legal = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        legal.then(|| {
            i128::from_str_radix(text, radix).map_or(Typed::Float(f64::INFINITY), Typed::Int)
        })
    };
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match digits(unsigned, 10)? {
        Typed::Int(value) if text.starts_with('-') => Some(Typed::Int(-value)),
        Typed::Float(value) if text.starts_with('-') => Some(Typed::Float(-value)),
        typed => Some(typed),
    }
}

fn float(text: &str) -> Option<Typed> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Some(Typed::Float(sign * f64::INFINITY));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Typed::Float(f64::NAN));
    }
    // Rust's own grammar also takes words such as `inf`, which the core schema does not.
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    numeric
        .then(|| text.parse().ok())
        .flatten()
        .map(Typed::Float)
}
