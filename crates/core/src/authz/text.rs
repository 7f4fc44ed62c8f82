//! Values with a wildcard at one end.

use std::fmt;

/// A value of a policy (Istio: exact, `v*`, `*v`, `*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Text {
    /// Byte for byte.
    Exact(Box<str>),
    /// `v*`, kept without the star.
    Prefix(Box<str>),
    /// `*v`, kept without the star.
    Suffix(Box<str>),
    /// `*`: there at all. Whether an empty value counts depends on the
    /// attribute: for headers, methods and hosts it does, elsewhere not.
    Present,
}

impl Text {
    /// Reads a value as Istio does: only a first or last `*` counts, the first before the last.
    pub fn parse(value: &str) -> Text {
        if value == "*" {
            Text::Present
        } else if let Some(rest) = value.strip_prefix('*') {
            Text::Suffix(rest.into())
        } else if let Some(rest) = value.strip_suffix('*') {
            Text::Prefix(rest.into())
        } else {
            Text::Exact(value.into())
        }
    }

    /// Whether a value that is there matches; `*` wants one that is not empty.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Text::Exact(it) => **it == *value,
            Text::Prefix(it) => value.starts_with(&**it),
            Text::Suffix(it) => value.ends_with(&**it),
            Text::Present => !value.is_empty(),
        }
    }
}

/// As it was written.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Exact(it) => f.write_str(it),
            Text::Prefix(it) => write!(f, "{it}*"),
            Text::Suffix(it) => write!(f, "*{it}"),
            Text::Present => f.write_str("*"),
        }
    }
}
