//! The CORS filter: who may read answers from a browser, as headers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};

use super::{Cors, OriginPattern};

impl Cors {
    /// The headers that answer a preflight. None of them allows anything where
    /// the origin is not allowed.
    pub fn preflight(&self, request: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        let mut origins = request.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none());
        self.answer(origin, &mut answer);
        if !answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return answer;
        }
        let methods = list(self.allow_methods.iter().map(http::Method::as_str));
        let methods = self.listed(
            self.any_method,
            methods,
            request,
            ACCESS_CONTROL_REQUEST_METHOD,
        );
        let headers = list(self.allow_headers.iter().map(HeaderName::as_str));
        let headers = self.listed(
            self.any_header,
            headers,
            request,
            ACCESS_CONTROL_REQUEST_HEADERS,
        );
        let values = [
            (ACCESS_CONTROL_ALLOW_METHODS, methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, headers),
            (
                ACCESS_CONTROL_MAX_AGE,
                Some(HeaderValue::from(self.max_age)),
            ),
        ];
        for (name, value) in values {
            if let Some(value) = value {
                answer.insert(name, value);
            }
        }
        answer
    }

    /// Puts the headers on the answer to a request with this `Origin`. What the
    /// backend said about sharing goes first: the filter alone decides.
    pub fn answer(&self, request_origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            response.remove(name);
        }
        if !self.shares_with_all() {
            vary_on_origin(response);
        }
        let Some(origin) = request_origin.filter(|it| self.allows(it)) else {
            return;
        };
        let origin = if self.shares_with_all() {
            ANY
        } else {
            origin.clone()
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allow_credentials {
            response.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        if let Some(names) = self.exposed(response) {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
    }

    /// Whether this origin may read answers.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        !origin.is_empty()
            && self
                .allow_origins
                .iter()
                .any(|pattern| pattern.matches(origin))
    }

    /// One answer for every origin. With credentials browsers refuse `*`, so
    /// the origin is repeated instead.
    fn shares_with_all(&self) -> bool {
        !self.allow_credentials && self.allow_origins.contains(&OriginPattern::Any)
    }

    /// The headers that scripts may read. With credentials browsers take `*`
    /// literally, so the names that it stands for are told instead.
    fn exposed(&self, response: &HeaderMap) -> Option<HeaderValue> {
        let names = self.expose_headers.as_ref()?;
        if !self.allow_credentials || names != ANY {
            return Some(names.clone());
        }
        let own = |name: &HeaderName| name.as_str().starts_with("access-control-");
        list(
            response
                .keys()
                .filter(|name| !own(name))
                .map(HeaderName::as_str),
        )
    }

    /// What a preflight allows: the configured list; for `*` that, or with
    /// credentials, where `*` would be taken literally, what was asked for.
    fn listed(
        &self,
        any: bool,
        configured: Option<HeaderValue>,
        request: &HeaderMap,
        asked: HeaderName,
    ) -> Option<HeaderValue> {
        match (any, self.allow_credentials) {
            (false, _) => configured,
            (true, false) => Some(ANY),
            (true, true) => request.get(asked).cloned(),
        }
    }
}

impl OriginPattern {
    /// Whether a serialized origin is one of this pattern's. Scheme and host
    /// are compared without regard to case; the default port is the same
    /// stated or left out.
    pub fn matches(&self, origin: &str) -> bool {
        let origin = without_default_port(origin, origin);
        match self {
            OriginPattern::Any => true,
            OriginPattern::Exact(want) => {
                origin.eq_ignore_ascii_case(without_default_port(want, want))
            }
            OriginPattern::Wildcard { scheme, suffix } => {
                let suffix = without_default_port(suffix, scheme);
                let host = strip_prefix(origin, scheme).and_then(|it| strip_suffix(it, suffix));
                host.is_some_and(|it| is_labels(it) || (!suffix.starts_with('.') && is_ipv6(it)))
            }
        }
    }
}

/// `text` ends in the port; `origin` begins with the scheme.
fn without_default_port<'t>(text: &'t str, origin: &str) -> &'t str {
    let port = match strip_prefix(origin, "https://") {
        Some(_) => ":443",
        None => ":80",
    };
    text.strip_suffix(port).unwrap_or(text)
}

/// What a `*` stands for: labels of a name, and never a port or a userinfo
/// that would make the suffix something else than the end of the host.
fn is_labels(text: &str) -> bool {
    let in_label = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(in_label))
}

fn is_ipv6(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    address.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok())
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

fn strip_suffix<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

/// The names joined; nothing for none.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        None
    } else {
        HeaderValue::try_from(names).ok()
    }
}

/// A cache must not give one origin's answer to another.
fn vary_on_origin(response: &mut HeaderMap) {
    let said = response.get_all(VARY).iter().any(|line| {
        let mut names = line
            .as_bytes()
            .split(|&it| it == b',')
            .map(<[u8]>::trim_ascii);
        names.any(|it| it == b"*" || it.eq_ignore_ascii_case(b"origin"))
    });
    if !said {
        response.append(VARY, HeaderValue::from_static("origin"));
    }
}

const ANY: HeaderValue = HeaderValue::from_static("*");
