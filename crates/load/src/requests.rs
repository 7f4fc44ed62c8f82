//! What the i-th request says, over HTTP/1.1 and over HTTP/2.

use std::io::Write;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::fault::Fault;
use crate::target::Target;
use crate::tokens::Tokens;

/// All requests of a run. Which one is which goes by its index.
pub(crate) struct Requests {
    hosts: Hosts,
    tokens: Option<Tokens>,
    body: Bytes,
    /// Request line, and over HTTP/1.1 the beginning of `host`.
    opening: Vec<u8>,
    /// Fields that every request has, and the empty line.
    closing: Vec<u8>,
    method: Method,
    /// One for each host.
    uris: Vec<Uri>,
    fields: HeaderMap,
}

/// Whom requests are addressed to.
pub(crate) enum Hosts {
    /// This one.
    One(String),
    /// `h0.test` to `h{N-1}.test` in turn.
    Turns(u64),
}

impl Requests {
    /// Requests for `target`, each with `fields`. `body` is posted when there is one.
    ///
    /// # Errors
    /// When a host is none.
    pub(crate) fn new(
        target: &Target,
        hosts: Hosts,
        fields: &[(HeaderName, HeaderValue)],
        tokens: Option<Tokens>,
        body: Option<Bytes>,
    ) -> Result<Self, Fault> {
        let method = body.as_ref().map_or(Method::GET, |_| Method::POST);
        let mut all: HeaderMap = fields.iter().cloned().collect();
        if let Some(body) = &body {
            all.insert(CONTENT_LENGTH, body.len().into());
        }
        let mut closing = Vec::new();
        for (name, value) in &all {
            closing.extend_from_slice(name.as_str().as_bytes());
            closing.extend_from_slice(b": ");
            closing.extend_from_slice(value.as_bytes());
            closing.extend_from_slice(b"\r\n");
        }
        closing.extend_from_slice(b"\r\n");
        Ok(Self {
            opening: format!("{method} {} HTTP/1.1\r\n{HOST}: ", target.path).into_bytes(),
            closing,
            uris: hosts.uris(target)?,
            hosts,
            tokens,
            body: body.unwrap_or_default(),
            method,
            fields: all,
        })
    }

    /// The body that every request has; empty for GET.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// Writes the head of request `index` into `out`, which must hold nothing or a head written here.
    pub(crate) fn write(&self, index: u64, out: &mut Vec<u8>) {
        if !out.is_empty() && !self.vary() {
            return;
        }
        out.clear();
        out.extend_from_slice(&self.opening);
        match &self.hosts {
            Hosts::One(host) => out.extend_from_slice(host.as_bytes()),
            // Writing to memory does not fail.
            Hosts::Turns(count) => drop(write!(out, "h{}.test", index % count)),
        }
        out.extend_from_slice(b"\r\n");
        if let Some(tokens) = &self.tokens {
            out.extend_from_slice(b"authorization: Bearer ");
            out.extend_from_slice(tokens.at(index).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.closing);
    }

    /// The head of request `index` for HTTP/2.
    ///
    /// # Errors
    /// When its token can stand in no header.
    pub(crate) fn http2(&self, index: u64) -> Result<Request<()>, Fault> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        let at = usize::try_from(index % self.uris.len() as u64).unwrap_or_default();
        if let Some(uri) = self.uris.get(at) {
            *request.uri_mut() = uri.clone();
        }
        *request.headers_mut() = self.fields.clone();
        if let Some(tokens) = &self.tokens {
            let value = HeaderValue::try_from(["Bearer ", tokens.at(index)].concat())
                .map_err(|_| Fault::failure("a line of `--tokens` can stand in no header"))?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn vary(&self) -> bool {
        self.tokens.is_some() || matches!(self.hosts, Hosts::Turns(_))
    }
}

impl Hosts {
    fn uris(&self, target: &Target) -> Result<Vec<Uri>, Fault> {
        let uri = |host: &str| {
            Uri::builder()
                .scheme(target.scheme)
                .authority(host)
                .path_and_query(target.path.clone())
                .build()
                .map_err(|_| Fault::failure(format!("`{host}` is no host")))
        };
        match self {
            Self::One(host) => Ok(vec![uri(host)?]),
            Self::Turns(count) => (0..*count).map(|at| uri(&format!("h{at}.test"))).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
