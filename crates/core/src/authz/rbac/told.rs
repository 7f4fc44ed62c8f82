//! What an expression came to, in words for a trace: no token, cookie or query is ever among them.

use countersign_expression::{Explanation, Read};

use crate::authz::secret::{HIDDEN, is_secret, looks_like_token};
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

const ABSENT: &str = "absent";

fn seen(read: &Read<'_>) -> (Box<str>, Box<str>) {
    let fields: Vec<&str> = read.fields.iter().map(|it| &**it).collect();
    let value = read.value.as_deref();
    let value = value.map_or(ABSENT.into(), |it| shown(&read.variable, &fields, it));
    (read.path.into(), value)
}

/// Judged by what was read, however that is written.
fn shown(variable: &str, fields: &[&str], value: &str) -> Box<str> {
    if looks_like_token(value) {
        return HIDDEN.into();
    }
    match (variable, fields) {
        // All headers, and all of the request, hold credentials.
        ("request", [] | ["headers"]) => HIDDEN.into(),
        ("request", ["headers", name, ..]) if name.starts_with(':') || is_secret(name) => {
            HIDDEN.into()
        }
        ("request", ["query"]) if value.len() > 2 => HIDDEN.into(),
        ("request", ["path" | "uri" | "pathAndQuery" | "referer"]) => without_query(value),
        ("request", ["headers", name]) if is_address(name) => without_query(value),
        _ => value.into(),
    }
}

/// Headers that hold an address, which may have a query.
fn is_address(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["referer", "location", "url", "uri", "path"]
        .iter()
        .any(|it| name.contains(it))
}

/// A query may carry a token.
fn without_query(value: &str) -> Box<str> {
    match value.split_once('?') {
        Some((before, _)) => format!("{before}\" and a query that is not shown").into(),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_be_credentials_are_not_shown() {
        const WHOLE: &str = "\"/a\" and a query that is not shown";
        for (variable, fields, value, told) in [
            ("jwt", &["sub"][..], "\"alice\"", "\"alice\""),
            ("jwt", &["raw"], "\"eyJhbGciOiJIUzI1NiJ9.e30.x\"", HIDDEN),
            ("request", &["method"], "\"GET\"", "\"GET\""),
            ("request", &[], "{…}", HIDDEN),
            ("request", &["headers", "accept"], "\"*/*\"", "\"*/*\""),
            ("request", &["headers", "x-team"], "\"red\"", "\"red\""),
            (
                "request",
                &["headers", "Authorization"],
                "\"Bearer x\"",
                HIDDEN,
            ),
            ("request", &["headers", "cookie"], "\"a=b\"", HIDDEN),
            ("request", &["headers", "x-api-key"], "\"k\"", HIDDEN),
            ("request", &["headers", "x-access-key"], "\"k\"", HIDDEN),
            ("request", &["headers", "X-Session"], "\"k\"", HIDDEN),
            ("request", &["headers", ":path"], "\"/a?t=x\"", HIDDEN),
            ("request", &["headers", "referer"], "\"/a?t=x\"", WHOLE),
            (
                "request",
                &["headers"],
                "{\"authorization\": \"x\"}",
                HIDDEN,
            ),
            ("request", &["path"], "\"/a\"", "\"/a\""),
            ("request", &["path"], "\"/a?t=x\"", WHOLE),
            ("request", &["pathAndQuery"], "\"/a?t=x\"", WHOLE),
            ("request", &["referer"], "\"/a?t=x\"", WHOLE),
            ("request", &["query"], "\"t=x\"", HIDDEN),
            ("request", &["query"], "\"\"", "\"\""),
        ] {
            assert_eq!(
                &*shown(variable, fields, value),
                told,
                "{variable} {fields:?}"
            );
        }
    }
}
