//! What an expression came to, in words for a trace: no token, cookie or query is ever among them.

use countersign_expression::{Explanation, Read};

use crate::trace::Expressed;

/// The result of an expression, with what it read.
pub(super) fn expressed(explanation: &Explanation<'_>) -> Expressed {
    match &explanation.result {
        Ok(true) => Expressed::True,
        Ok(false) => Expressed::False {
            part: explanation.decisive.into(),
            seen: explanation.reads.iter().map(seen).collect(),
        },
        Err(failure) => Expressed::Failed(failure.to_string().into()),
    }
}

/// The result of an expression in which variables were replaced: nothing of what they held, nor what was compared with it.
pub(super) fn withheld(explanation: &Explanation<'_>, written: &str) -> Expressed {
    match &explanation.result {
        Ok(true) => Expressed::True,
        Ok(false) => Expressed::False {
            part: written.into(),
            seen: Vec::new(),
        },
        Err(_) => Expressed::Failed(FAILED_UNSEEN.into()),
    }
}

/// Why such an expression failed.
pub(super) const FAILED_UNSEEN: &str = "why is not shown, since variables were replaced in it";

const HIDDEN: &str = "a value that is not shown";
const ABSENT: &str = "absent";

fn seen(read: &Read<'_>) -> (Box<str>, Box<str>) {
    let value = read.value.as_deref();
    let value = value.map_or(ABSENT.into(), |it| shown(read.path, it));
    (read.path.into(), value)
}

fn shown(path: &str, value: &str) -> Box<str> {
    let compact: String = path.chars().filter(|it| !it.is_whitespace()).collect();
    let member = compact.strip_prefix("request").unwrap_or_default();
    if let Some(lookup) = member
        .strip_prefix(".headers")
        .or_else(|| member.strip_prefix("['headers']"))
        .or_else(|| member.strip_prefix("[\"headers\"]"))
    {
        return match name(lookup) {
            Some(name) if !name.starts_with(':') && !is_secret(name) => value.into(),
            _ => HIDDEN.into(),
        };
    }
    // A query may carry a token.
    let query = ["query", "path", "uri", "pathAndQuery"];
    if !query.iter().any(|it| member.contains(it)) {
        return value.into();
    }
    match value.split_once('?') {
        Some((before, _)) => format!("{before}\" and a query that is not shown").into(),
        None if member.contains("query") && value.len() > 2 => HIDDEN.into(),
        None => value.into(),
    }
}

/// The header that is looked up by name: `.accept`, `['x-a']`. `None` for all of them, and for names that are computed.
fn name(lookup: &str) -> Option<&str> {
    if let Some(name) = lookup.strip_prefix('.') {
        return Some(name);
    }
    let inner = lookup.strip_prefix('[')?.strip_suffix(']')?;
    let quoted = |quote| inner.strip_prefix(quote)?.strip_suffix(quote);
    let name = quoted('\'').or_else(|| quoted('"'))?;
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b':');
    name.bytes().all(plain).then_some(name)
}

/// Whether a header is made for credentials, by its name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts = [
        "authorization",
        "cookie",
        "token",
        "secret",
        "api-key",
        "apikey",
        "password",
    ];
    parts.iter().any(|it| name.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_be_credentials_are_not_shown() {
        for (path, value, told) in [
            ("jwt.sub", "\"alice\"", "\"alice\""),
            ("request.method", "\"GET\"", "\"GET\""),
            ("request.headers.accept", "\"*/*\"", "\"*/*\""),
            ("request.headers['x-team']", "\"red\"", "\"red\""),
            ("request.headers[\"x-team\"]", "\"red\"", "\"red\""),
            ("request . headers['x-team']", "\"red\"", "\"red\""),
            ("request.headers.authorization", "\"Bearer x\"", HIDDEN),
            ("request.headers['Authorization']", "\"Bearer x\"", HIDDEN),
            ("request[\"headers\"]['cookie']", "\"a=b\"", HIDDEN),
            ("request.headers['x-api-key']", "\"k\"", HIDDEN),
            ("request.headers[':path']", "\"/a?t=x\"", HIDDEN),
            ("request.headers['a' + 'b']", "\"x\"", HIDDEN),
            ("request.headers", "{\"authorization\": \"x\"}", HIDDEN),
            ("request.path", "\"/a\"", "\"/a\""),
            (
                "request.path",
                "\"/a?t=x\"",
                "\"/a\" and a query that is not shown",
            ),
            (
                "request['path']",
                "\"/a?t=x\"",
                "\"/a\" and a query that is not shown",
            ),
            ("request.query", "\"t=x\"", HIDDEN),
            ("request.query", "\"\"", "\"\""),
            (
                "request.pathAndQuery",
                "\"/a?t=x\"",
                "\"/a\" and a query that is not shown",
            ),
        ] {
            assert_eq!(&*shown(path, value), told, "{path}");
        }
    }
}
