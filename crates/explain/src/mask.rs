//! What may be shown of a request on its way: everything but where a credential may stand.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::answer::Upstream;

const HIDDEN: &str = "[hidden]";

/// The value of a backend's header.
pub(crate) fn header(upstream: &Upstream, name: &str, value: &str) -> String {
    let private = upstream
        .private
        .iter()
        .any(|it| it.eq_ignore_ascii_case(name));
    if private {
        HIDDEN.to_owned()
    } else {
        words(value)
    }
}

/// The value of a header of the gateway's own answer: a challenge repeats the target, with the token that may be in it.
pub(crate) fn reply(_name: &str, value: &str) -> String {
    words(value)
}

/// The target that a backend gets, without the values of parameters that may be tokens.
pub(crate) fn target(upstream: &Upstream) -> String {
    let Some((path, query)) = upstream.target.split_once('?') else {
        return upstream.target.clone();
    };
    let pairs = query.split('&').map(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let decoded = percent_decode_str(name).decode_utf8_lossy();
        match upstream.private.iter().any(|it| **it == *decoded) {
            true => Cow::Owned(format!("{name}={HIDDEN}")),
            false => Cow::Owned(words(pair)),
        }
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Takes out what looks like a token or a part of one: base64url of a JSON object.
pub(crate) fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push_str(if is_token(word) { HIDDEN } else { word });
        let next = after.find(is_of_token).unwrap_or(after.len());
        let (between, following) = after.split_at_checked(next).unwrap_or((after, ""));
        out.push_str(between);
        rest = following;
    }
    out
}

const fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_token(word: &str) -> bool {
    const SHORTEST: usize = 12;
    let starts = ["eyJ", "eyA", "ewo", "ew0"]
        .iter()
        .any(|start| word.starts_with(start));
    starts && word.len() >= SHORTEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_hidden_and_nothing_else() {
        assert_eq!(
            words("Bearer eyJhbGciOiJub25lIn0.e30.x y"),
            "Bearer [hidden] y"
        );
        assert_eq!(
            words("https://a.test/?access_token=eyJhbGciOiJI"),
            "https://a.test/?access_token=[hidden]"
        );
        assert_eq!(words("alice, eyJ, /orders"), "alice, eyJ, /orders");
    }

    #[test]
    fn parameters_that_are_looked_at_for_tokens() {
        let upstream = Upstream {
            backends: Vec::new(),
            method: "GET".into(),
            target: "/a?access%5ftoken=opaque&page=2".into(),
            headers: Vec::new(),
            removed: Vec::new(),
            identity: Vec::new(),
            private: vec!["access_token".into(), "x-key".into()],
        };
        assert_eq!(target(&upstream), "/a?access%5ftoken=[hidden]&page=2");
        assert_eq!(header(&upstream, "X-Key", "opaque"), HIDDEN);
        assert_eq!(header(&upstream, "x-user", "alice"), "alice");
    }
}
