//! Header edits, redirects, rewrites and mirror shares.

use http::Uri;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use percent_encoding::{AsciiSet, CONTROLS, PercentEncode, utf8_percent_encode};

use super::{HeaderEdits, Mirror, PathEdit, Redirect, Rewrite};
use crate::host;
use crate::path::BadPath;

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
    /// without the prefix stays as it is. What a configured text holds and a
    /// path may not is escaped, `?` and `#` too.
    pub fn apply(&self, path: &str) -> String {
        let (from, to) = match self {
            PathEdit::Full(path) => return rooted(encoded(path).to_string()),
            PathEdit::Prefix { from, to } => (trimmed(from), encoded(trimmed(to))),
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
    ///
    /// # Errors
    /// [`BadPath`] when the new target is too long to be sent, or the host is
    /// none. The request must not go on: it still has its old path.
    pub fn apply(&self, parts: &mut Parts) -> Result<(), BadPath> {
        let mut uri = parts.uri.clone().into_parts();
        if let Some(edit) = &self.path {
            let target = with_query(edit.apply(parts.uri.path()), parts.uri.query());
            uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| NO_TARGET)?);
        }
        if let (Some(host), Some(_)) = (&self.host, &uri.authority) {
            uri.authority = Some(Authority::try_from(&**host).map_err(|_| NO_TARGET)?);
        }
        let uri = Uri::from_parts(uri).map_err(|_| NO_TARGET)?;
        if let Some(host) = &self.host {
            let host = HeaderValue::from_str(host).map_err(|_| NO_TARGET)?;
            parts.headers.insert(HOST, host);
        }
        parts.uri = uri;
        Ok(())
    }
}

impl Mirror {
    /// Whether this request is among those copied; `random` is uniform.
    pub fn takes(&self, random: u32) -> bool {
        let share = (u64::from(random) * u64::from(self.denominator)) >> 32;
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

fn encoded(path: &str) -> PercentEncode<'_> {
    utf8_percent_encode(path, NOT_IN_PATH)
}

const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`');

const NO_TARGET: BadPath = BadPath::new("the rewritten target cannot be sent");
