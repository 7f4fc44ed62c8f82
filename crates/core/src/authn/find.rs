//! Finding tokens where a requirement looks for them, and taking them away.

use std::borrow::Cow;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use super::Requirement;
use crate::facts::Presented;
use crate::request::Request;
use crate::source::Source;

/// A token at a place. It is `None` when it cannot be one, as with bytes
/// outside UTF-8 or two credentials in one `Authorization`.
#[derive(Clone)]
pub(super) struct Found<'r> {
    pub(super) place: usize,
    pub(super) token: Option<Presented<'r>>,
}

/// Every token of a request, in the order of the requirement's places. Each
/// occurrence counts: a second header line, parameter or cookie of the same
/// name is a token like the first (decision T3).
pub(super) fn find<'r>(requirement: &Requirement, req: &Request<'r>) -> SmallVec<[Found<'r>; 1]> {
    let mut found = SmallVec::new();
    for (place, entry) in requirement.places.iter().enumerate() {
        let mut push = |token: Option<Presented<'r>>| found.push(Found { place, token });
        match &entry.source {
            Source::Header { prefix, .. } => {
                if let Some(name) = &entry.header {
                    in_header(req, name, prefix, &mut push);
                }
            }
            Source::Query(name) => in_query(req.query, name, &mut push),
            Source::Cookie(name) => in_cookies(req, name, &mut push),
        }
    }
    found
}

fn in_header<'r>(
    req: &Request<'r>,
    name: &HeaderName,
    prefix: &str,
    push: &mut dyn FnMut(Option<Presented<'r>>),
) {
    let authorization = *name == AUTHORIZATION;
    let values = req.headers.get_all(name);
    // `Authorization` is no list: with two of them, what a policy and what an
    // upstream reads may differ, so none of them is a token that can pass.
    let conflict = authorization && values.iter().nth(1).is_some();
    for value in values {
        let value = value.as_bytes();
        match after_prefix(value, prefix, authorization) {
            Some(token) => push((!conflict).then(|| Presented::unread(Cow::Borrowed(token)))),
            None if std::str::from_utf8(value).is_err() => push(None),
            None => {}
        }
    }
}

/// The token behind a prefix and any white space after it. An `Authorization`
/// scheme is compared without regard to case (RFC 9110 section 11.1, decision
/// T2), and a tab after it is taken for a space, as some servers do; any other
/// prefix stands as configured, at the start.
fn after_prefix<'v>(value: &'v [u8], prefix: &str, authorization: bool) -> Option<&'v [u8]> {
    let scheme = prefix.strip_suffix(' ').filter(|_| authorization);
    let rest = match scheme {
        Some(scheme) => {
            let (given, rest) = value.split_at_checked(scheme.len())?;
            let ends = given.eq_ignore_ascii_case(scheme.as_bytes());
            rest.first()
                .filter(|it| ends && is_blank(it))
                .map(|_| rest)?
        }
        None => value.strip_prefix(prefix.as_bytes())?,
    };
    let token = |it: &u8| prefix.is_empty() || !is_blank(it);
    let start = rest.iter().position(token).unwrap_or(rest.len());
    rest.get(start..)
}

const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn in_query<'r>(query: Option<&'r str>, wanted: &str, push: &mut dyn FnMut(Option<Presented<'r>>)) {
    let Some(query) = query else {
        return;
    };
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is_parameter(name, wanted) && !pair.is_empty() {
            let text = percent_decode_str(value).decode_utf8();
            push(text.ok().map(Presented::new));
        }
    }
}

fn is_parameter(encoded: &str, wanted: &str) -> bool {
    percent_decode_str(encoded).eq(wanted.bytes())
}

fn in_cookies<'r>(req: &Request<'r>, wanted: &str, push: &mut dyn FnMut(Option<Presented<'r>>)) {
    for line in req.headers.get_all(COOKIE) {
        let text = std::str::from_utf8(line.as_bytes());
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let mut sides = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (sides.next().unwrap_or_default(), sides.next());
            let Some(value) = value.filter(|_| name.trim_ascii() == wanted.as_bytes()) else {
                continue;
            };
            let value = text.ok().and(std::str::from_utf8(value.trim_ascii()).ok());
            push(value.map(|it| Presented::new(unquote(it))));
        }
    }
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .unwrap_or(value)
}

/// Removes every occurrence of the named parameters and nothing else: the
/// rest of the query keeps its bytes (decision T6).
pub fn remove_query_parameters(parts: &mut Parts, names: &[Box<str>]) {
    let Some(query) = parts.uri.query() else {
        return;
    };
    if !query.split('&').any(|pair| is_named(pair, names)) {
        return;
    }
    let mut target = parts.uri.path().to_owned();
    for (separator, pair) in without_parameters(query, names) {
        target.push(separator);
        target.push_str(pair);
    }
    set_target(parts, &target);
}

/// What is left of a query that some parameters are taken from, each with what
/// stands before it: `?` or `&`. One with none of them is left whole.
pub(crate) fn without_parameters<'q>(
    query: &'q str,
    names: &'q [Box<str>],
) -> impl Iterator<Item = (char, &'q str)> {
    let kept = query.split('&').filter(|pair| !is_named(pair, names));
    std::iter::once('?').chain(std::iter::repeat('&')).zip(kept)
}

fn is_named(pair: &str, names: &[Box<str>]) -> bool {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    !pair.is_empty() && names.iter().any(|it| is_parameter(name, it))
}

/// Puts a new path and query into the target; the bytes come from a target
/// that was valid, so this cannot fail for them.
fn set_target(parts: &mut Parts, target: &str) {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    if let Ok(target) = PathAndQuery::try_from(target) {
        uri.path_and_query = Some(target);
    }
    if let Ok(uri) = http::Uri::from_parts(uri) {
        parts.uri = uri;
    }
}

/// Every place where a request of a listener may carry a credential, so that
/// mirrors can be kept from them (decision P14).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    headers: Vec<HeaderName>,
    query: Vec<Box<str>>,
}

impl Credentials {
    /// Collects the places of some requirements; `Authorization`,
    /// `Proxy-Authorization` and all cookies always count.
    pub fn new<'a>(requirements: impl IntoIterator<Item = &'a Requirement>) -> Credentials {
        let mut it = Credentials {
            headers: vec![AUTHORIZATION, http::header::PROXY_AUTHORIZATION, COOKIE],
            query: Vec::new(),
        };
        for source in requirements.into_iter().flat_map(Requirement::sources) {
            match source {
                Source::Header { name, .. } => it.headers.extend(HeaderName::try_from(&**name)),
                Source::Query(name) => it.query.push(name.clone()),
                Source::Cookie(_) => {}
            }
        }
        it
    }

    /// Takes them all away.
    pub fn strip(&self, parts: &mut Parts) {
        for name in &self.headers {
            parts.headers.remove(name);
        }
        remove_query_parameters(parts, &self.query);
    }
}
