//! Whether one match condition holds for a request.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use regex::Regex;

use super::{Match, PathMatch, RouteQuery, TextMatch};

/// Compiles a `RegularExpression` so that it has to match whole values.
///
/// # Errors
/// What is wrong with the pattern.
pub fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // On its own first, or `a)|(b` would become valid by what is put around it.
    Regex::new(pattern)?;
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

impl Match {
    /// Whether every condition holds. The host is not looked at.
    pub fn matches(&self, request: &RouteQuery<'_>) -> bool {
        self.path.matches(request.path) && self.matches_beside_path(request)
    }

    /// Method, headers and query parameters.
    pub(super) fn matches_beside_path(&self, request: &RouteQuery<'_>) -> bool {
        self.method
            .as_ref()
            .is_none_or(|method| method == request.method)
            && self
                .headers
                .iter()
                .all(|(name, want)| header_matches(request.headers, name, want))
            && self
                .query
                .iter()
                .all(|(name, want)| query_matches(request.query, name, want))
    }
}

impl PathMatch {
    /// Whether a normalised path is one of these.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            PathMatch::Exact(want) => path == &**want,
            PathMatch::Prefix(prefix) => path.strip_prefix(&**prefix).is_some_and(|rest| {
                rest.starts_with('/') || (rest.is_empty() && !prefix.is_empty())
            }),
            PathMatch::Regex(regex) => is_whole_match(regex, path),
            PathMatch::GrpcService(want) => {
                grpc(path).is_some_and(|(service, _)| service == &**want)
            }
            PathMatch::GrpcMethod(want) => grpc(path).is_some_and(|(_, method)| method == &**want),
        }
    }
}

impl TextMatch {
    /// Whether a value is the wanted one.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            TextMatch::Exact(want) => value == &**want,
            TextMatch::Regex(regex) => is_whole_match(regex, value),
        }
    }
}

/// Service and method of a gRPC path.
fn grpc(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let named = !service.is_empty() && !method.is_empty() && !method.contains('/');
    named.then_some((service, method))
}

/// Not `is_match`: a pattern without anchors must not admit more than it says.
fn is_whole_match(regex: &Regex, text: &str) -> bool {
    regex
        .find(text)
        .is_some_and(|it| it.start() == 0 && it.end() == text.len())
}

/// A header sent on several lines is its values joined by commas (RFC 9110 section 5.3).
fn header_matches(headers: &HeaderMap, name: &HeaderName, want: &TextMatch) -> bool {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return false;
    };
    match (want, values.next()) {
        (TextMatch::Exact(text), None) => first.as_bytes() == text.as_bytes(),
        (TextMatch::Regex(regex), None) => text(first).is_some_and(|it| is_whole_match(regex, it)),
        (TextMatch::Exact(text), Some(_)) => is_joined(
            headers.get_all(name).iter().map(HeaderValue::as_bytes),
            text.as_bytes(),
        ),
        (TextMatch::Regex(regex), Some(_)) => {
            let joined: Option<Vec<&str>> = headers.get_all(name).iter().map(text).collect();
            joined.is_some_and(|values| is_whole_match(regex, &values.join(",")))
        }
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

fn is_joined<'a>(values: impl Iterator<Item = &'a [u8]>, text: &[u8]) -> bool {
    let mut rest = Some(text);
    for value in values {
        let Some(tail) = rest.and_then(|it| it.strip_prefix(value)) else {
            return false;
        };
        rest = match tail.split_first() {
            Some((b',', tail)) => Some(tail),
            Some(_) => return false,
            None => None,
        };
    }
    rest.is_none()
}

/// The first parameter of that name, both decoded, decides.
fn query_matches(query: Option<&str>, name: &str, want: &TextMatch) -> bool {
    let parameters = query
        .unwrap_or_default()
        .split('&')
        .filter(|it| !it.is_empty());
    let mut pairs = parameters.map(|it| it.split_once('=').unwrap_or((it, "")));
    let Some((_, value)) = pairs.find(|(key, _)| is_decoded(key, name)) else {
        return false;
    };
    match want {
        TextMatch::Exact(text) => is_decoded(value, text),
        TextMatch::Regex(regex) => match percent_decode_str(value).decode_utf8() {
            Ok(Cow::Borrowed(value)) => is_whole_match(regex, value),
            Ok(Cow::Owned(value)) => is_whole_match(regex, &value),
            Err(_) => false,
        },
    }
}

fn is_decoded(encoded: &str, text: &str) -> bool {
    encoded == text && !encoded.contains('%') || percent_decode_str(encoded).eq(text.bytes())
}
