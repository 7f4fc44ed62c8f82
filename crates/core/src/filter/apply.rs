//! Header edits, redirects, rewrites and mirror shares.

use http::Uri;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{HeaderEdits, Mirror, PathEdit, Redirect, Rewrite};
use crate::host;

impl HeaderEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Sets, then adds, then removes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

impl Redirect {
    /// The `Location` for a request: an absolute URI that keeps whatever the
    /// filter does not replace, the query always.
    ///
    /// The port is the filter's, else the well-known one of a scheme that the
    /// filter states, else `listener_port`, the Gateway's; the default port of
    /// the final scheme is left out.
    pub fn location(
        &self,
        scheme: &str,
        authority: &str,
        listener_port: u16,
        path: &str,
        query: Option<&str>,
    ) -> String {
        let well_known = |scheme| if scheme == "https" { 443 } else { 80 };
        let host = self
            .host
            .as_deref()
            .unwrap_or_else(|| host::without_port(authority));
        let port = self
            .port
            .or_else(|| self.scheme.map(well_known))
            .unwrap_or(listener_port);
        let scheme = self.scheme.unwrap_or(scheme);
        let path = self
            .path
            .as_ref()
            .map_or_else(|| path.to_owned(), |edit| edit.apply(path));
        let path = with_query(path, query);
        if port == well_known(scheme) {
            format!("{scheme}://{host}{path}")
        } else {
            format!("{scheme}://{host}:{port}{path}")
        }
    }
}

impl PathEdit {
    /// The new path. A replaced prefix keeps exactly one slash between its
    /// replacement and what follows, and the result is never empty; a path
    /// without the prefix stays as it is.
    pub fn apply(&self, path: &str) -> String {
        let (from, to) = match self {
            PathEdit::Full(path) => return rooted(path.to_string()),
            PathEdit::Prefix { from, to } => (trimmed(from), trimmed(to)),
        };
        match path.strip_prefix(from) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rooted(format!("{to}{rest}")),
            _ => path.to_owned(),
        }
    }
}

impl Rewrite {
    /// Changes host and path of a request on its way to the backend. The query
    /// stays.
    pub fn apply(&self, parts: &mut Parts) {
        if let Some(host) = &self.host
            && let Ok(value) = HeaderValue::from_str(host)
        {
            parts.headers.insert(HOST, value);
        }
        let path = self.path.as_ref().and_then(|edit| {
            let path = edit.apply(parts.uri.path());
            path_and_query(with_query(path, parts.uri.query()))
        });
        let authority = match (&self.host, parts.uri.authority()) {
            (Some(host), Some(_)) => Authority::try_from(&**host).ok(),
            _ => None,
        };
        if path.is_none() && authority.is_none() {
            return;
        }
        let mut uri = parts.uri.clone().into_parts();
        uri.path_and_query = path.or(uri.path_and_query);
        uri.authority = authority.or(uri.authority);
        if let Ok(uri) = Uri::from_parts(uri) {
            parts.uri = uri;
        }
    }
}

impl Mirror {
    /// Whether this request is among those copied; `random` is uniform.
    pub fn takes(&self, random: u32) -> bool {
        let share = u64::from(random) * u64::from(self.denominator) >> 32;
        share < u64::from(self.numerator)
    }
}

fn rooted(path: String) -> String {
    if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    }
}

fn trimmed(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

fn with_query(mut path: String, query: Option<&str>) -> String {
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    path
}

/// Escapes what a configured path may hold and a request line may not.
fn path_and_query(target: String) -> Option<PathAndQuery> {
    match PathAndQuery::try_from(target.as_str()) {
        Ok(target) => Some(target),
        Err(_) => {
            PathAndQuery::try_from(utf8_percent_encode(&target, NOT_IN_TARGET).to_string()).ok()
        }
    }
}

const NOT_IN_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'#');
