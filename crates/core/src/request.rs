//! The request as policies see it: after the first steps of [`crate::prepare`].

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::connection::Connection;
use crate::host;
use crate::id::ListenerId;

/// What the first steps found out; the parts themselves were cleaned.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The listener that answers.
    pub listener: ListenerId,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port as sent.
    pub authority: Box<str>,
    /// Host alone, canonical.
    pub host: Box<str>,
    /// Address of the connection's other end.
    pub peer: IpAddr,
    /// The client's address, as trusted proxies tell it.
    pub client: IpAddr,
    /// The protocol that the client wants to switch to, where that may be.
    pub upgrade: Option<HeaderValue>,
}

/// A prepared request, borrowed from its parts.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The listener that answers.
    pub listener: ListenerId,
    /// `https` where TLS was terminated, whatever the client claims.
    pub scheme: &'static str,
    /// Method.
    pub method: &'a Method,
    /// Host and port as sent.
    pub authority: &'a str,
    /// Host alone, canonical.
    pub host: &'a str,
    /// Normalised path.
    pub path: &'a str,
    /// Query as sent, without `?`.
    pub query: Option<&'a str>,
    /// Headers, without hop-by-hop and identity headers of the client.
    pub headers: &'a HeaderMap,
    /// The connection that it came in on.
    pub connection: Connection<'a>,
    /// HTTP version.
    pub version: Version,
    /// The protocol that the client wants to switch to. The headers that say so
    /// are not among `headers`.
    pub upgrade: Option<&'a HeaderValue>,
    /// The client's address, as trusted proxies tell it.
    pub client: IpAddr,
}

impl<'a> Request<'a> {
    /// Joins what [`crate::prepare`] found with the parts that it cleaned.
    pub fn new(
        parts: &'a Parts,
        prepared: &'a Prepared,
        connection: Connection<'a>,
    ) -> Request<'a> {
        Request {
            listener: prepared.listener,
            scheme: prepared.scheme,
            method: &parts.method,
            authority: &prepared.authority,
            host: &prepared.host,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            connection,
            version: parts.version,
            upgrade: prepared.upgrade.as_ref(),
            client: prepared.client,
        }
    }

    /// A CORS preflight as Envoy recognises it: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`, neither empty.
    pub fn is_preflight(&self) -> bool {
        let given = |name| self.headers.get(name).is_some_and(|v| !v.is_empty());
        self.method == Method::OPTIONS
            && given(http::header::ORIGIN)
            && given(http::header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Port that the client named, if it did.
    pub fn port(&self) -> Option<u16> {
        host::port(self.authority)
    }
}
