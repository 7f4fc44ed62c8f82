//! The first steps on a request, before anything is decided (decision P1):
//! its form, the listener, hop-by-hop headers, identity headers, the path and
//! the client's address.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri, Version};

use crate::connection::Connection;
use crate::decide::Denial;
use crate::headers;
use crate::host::{self, HostPattern};
use crate::id::{ListenerId, SocketId};
use crate::listener::{Listener, Mode};
use crate::path;
use crate::reason::Reason;
use crate::request::Prepared;
use crate::snapshot::Snapshot;

/// How a request came in.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The socket that took the connection.
    pub socket: SocketId,
    /// The listener that the TLS handshake chose by SNI, on TLS sockets.
    pub tls: Option<ListenerId>,
    /// The connection.
    pub connection: Connection<'a>,
}

/// Cleans a request and finds its listener.
///
/// # Errors
/// A refusal that needs no policy: a request that breaks HTTP's rules, a host
/// that nobody answers for, a path that must not be forwarded.
pub fn prepare(
    snap: &Snapshot,
    arrival: &Arrival<'_>,
    parts: &mut Parts,
) -> Result<Prepared, Denial> {
    check_target(parts)?;
    if headers::has_padded_value(&parts.headers) {
        let detail = "a header value begins or ends with white space";
        return Err(Denial::because(Reason::BadRequest, detail));
    }
    if parts.version == Version::HTTP_2 {
        headers::join_cookies(&mut parts.headers);
    }
    let authority = authority(parts)?;
    let host: Box<str> = host::canonical(&authority).into();
    let (id, listener) = find_listener(snap, arrival, &host)?;
    let tls = snap.socket(arrival.socket).is_some_and(|socket| socket.tls);
    let protected = |name: &str| listener.identity.contains(name);
    let upgrade = headers::strip_hop_by_hop(&mut parts.headers, protected);
    let upgrade = upgrade.filter(headers::may_upgrade);
    headers::strip_identity(&mut parts.headers, &listener.identity);
    normalize(listener, parts)?;
    let peer = arrival.connection.peer.ip();
    let client = listener.proxies.client(&parts.headers, peer);
    let scheme = if tls { "https" } else { "http" };
    // Routes match on it too: what the client claims must not choose one.
    headers::settle_proto(&mut parts.headers, scheme, listener.proxies.trusts(peer));
    Ok(Prepared {
        listener: id,
        scheme,
        authority,
        host,
        peer,
        client,
        upgrade,
    })
}

/// Origin form and absolute form pass; `*` only with OPTIONS; CONNECT never.
fn check_target(parts: &Parts) -> Result<(), Denial> {
    if parts.method == Method::CONNECT {
        return Err(Denial::because(
            Reason::MethodRefused,
            "CONNECT is for forward proxies",
        ));
    }
    if let Some(method) = meant(&parts.method) {
        // A policy about `DELETE` would say nothing of `delete`, and a backend
        // may take one for the other.
        let detail = format!("the method is `{method}` but for its case, which counts");
        return Err(Denial::because(Reason::BadRequest, &detail));
    }
    let path = parts.uri.path();
    let form = match parts.uri.scheme_str() {
        None | Some("http" | "https") => path.starts_with('/'),
        Some(_) => false,
    };
    let whole_server = path == "*" && parts.method == Method::OPTIONS;
    if form || whole_server {
        return Ok(());
    }
    Err(Denial::because(
        Reason::BadRequest,
        "the request target is no path of this server",
    ))
}

/// The standard method that another one would be in upper case.
fn meant(method: &Method) -> Option<&'static str> {
    const STANDARD: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let text = method.as_str();
    if STANDARD.contains(&text) {
        return None;
    }
    let like = |it: &&str| text.eq_ignore_ascii_case(it);
    STANDARD.into_iter().find(like)
}

/// The one host that a request names. An absolute target's wins over `Host`
/// (RFC 9112 section 3.2.2); `Host` must be there once and be valid all the same.
fn authority(parts: &mut Parts) -> Result<Box<str>, Denial> {
    let bad = |detail| Denial::because(Reason::BadRequest, detail);
    let mut values = parts.headers.get_all(HOST).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(bad("more than one Host header"));
    }
    let stated = match first {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_| bad("the Host header is not ASCII"))?,
        ),
        None => None,
    };
    if stated.is_none() && parts.version == Version::HTTP_11 {
        // RFC 9112 section 3.2: also where the target names a host.
        return Err(bad("no Host header"));
    }
    let target = parts.uri.authority().map(http::uri::Authority::as_str);
    let authority = target.or(stated).ok_or_else(|| bad("no Host header"))?;
    let valid = |text| headers::valid_authority(text);
    // Mostly they are one.
    let others = target.and(stated);
    if !valid(authority) || others.is_some_and(|text| !valid(text)) {
        return Err(bad("the Host header is no host with an optional port"));
    }
    let authority: Box<str> = authority.into();
    if target.is_some() {
        // One truth from here on, for matching and for the upstream.
        let value = HeaderValue::try_from(&*authority).map_err(|_| bad("bad host"))?;
        parts.headers.insert(HOST, value);
    }
    Ok(authority)
}

/// The narrowest listener of the socket for this host. On TLS the handshake
/// has chosen one already: a host that belongs to another gets 421, lest a
/// connection opened under one certificate's rules reaches another's routes.
fn find_listener<'s>(
    snap: &'s Snapshot,
    arrival: &Arrival<'_>,
    host: &str,
) -> Result<(ListenerId, &'s Listener), Denial> {
    let candidates = snap
        .socket(arrival.socket)
        .map_or(&[][..], |socket| &socket.listeners);
    let found = candidates
        .iter()
        .filter_map(|id| snap.listener(*id).map(|listener| (*id, listener)))
        .find(|(_, listener)| listener.host.matches(host));
    let (id, listener) = found.ok_or_else(|| {
        Denial::because(
            Reason::NoListener,
            &format!("no listener of this port answers for `{host}`"),
        )
    })?;
    if listener.mode != Mode::Http {
        // Over TLS it is somebody's else certificate that the client has seen;
        // without TLS no request is read there.
        let detail = format!("{} reads no requests", listener.name);
        return Err(Denial::because(Reason::Misdirected, &detail));
    }
    let chosen = arrival.tls.filter(|it| *it != id);
    match chosen.and_then(|it| snap.listener(it)) {
        // A client that named nobody was given the listener for any host for want of a better one.
        Some(by_sni) if arrival.connection.sni.is_some() || by_sni.host != HostPattern::Any => {
            Err(Denial::because(
                Reason::Misdirected,
                &format!(
                    "`{host}` belongs to {}, the handshake was for {}",
                    listener.name, by_sni.name
                ),
            ))
        }
        _ => Ok((id, listener)),
    }
}

/// Matching and forwarding use the same bytes (decision P7).
fn normalize(listener: &Listener, parts: &mut Parts) -> Result<(), Denial> {
    let path = parts.uri.path();
    let normal = path::normalize(path, listener.normalization)
        .map_err(|bad| Denial::because(Reason::BadPath, &bad.to_string()))?;
    let absolute = parts.uri.authority().is_some();
    if *normal == *path && !absolute {
        return Ok(());
    }
    let target = match parts.uri.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal.into_owned(),
    };
    let target = PathAndQuery::try_from(target).map_err(|_| {
        Denial::because(Reason::BadPath, "the path is not valid in a request target")
    })?;
    parts.uri = Uri::from(target);
    Ok(())
}
