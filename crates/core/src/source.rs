//! Places where a token may stand.

use std::fmt;

/// A place where a token may stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A request header.
    Header {
        /// Its name, lower case.
        name: Box<str>,
        /// Text before the token; empty for none.
        prefix: Box<str>,
    },
    /// A query parameter.
    Query(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
}

impl Source {
    /// Where tokens are looked for when a rule names no place:
    /// `Authorization: Bearer`, then query `access_token`.
    pub fn defaults() -> [Source; 2] {
        let prefix = "Bearer ".into();
        [
            Source::Header {
                name: "authorization".into(),
                prefix,
            },
            Source::Query("access_token".into()),
        ]
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Header { name, prefix } if prefix.is_empty() => write!(f, "header `{name}`"),
            Source::Header { name, prefix } => write!(f, "header `{name}` after `{prefix}`"),
            Source::Query(name) => write!(f, "query parameter `{name}`"),
            Source::Cookie(name) => write!(f, "cookie `{name}`"),
        }
    }
}
