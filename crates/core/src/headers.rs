//! Header hygiene: what a gateway takes off a message, and what it adds.

use std::io::Write as _;
use std::net::IpAddr;

use http::header::{CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE};
use smallvec::SmallVec;

use crate::listener::IdentityHeaders;

#[cfg(test)]
mod tests;

/// Takes the fields off a request that concern its connection alone (RFC 9110
/// section 7.6.1), and returns the `Upgrade` that `Connection` announced.
/// Whether that protocol may be spoken says [`may_upgrade`].
///
/// `Connection` cannot name away what policies and upstreams rely on: `Host`,
/// credentials, what describes the body, who the client is, and whatever
/// `protected` knows by its lower-case name. Such names are passed over.
///
/// `TE` shrinks to `trailers` or goes. `Proxy-Authorization` is meant for the
/// first proxy that a client meets (section 11.7.1) and goes unless
/// `protected`. `Trailer` stays: what it announces is judged by [`filter_trailers`].
pub fn strip_hop_by_hop(
    headers: &mut HeaderMap,
    protected: impl Fn(&str) -> bool,
) -> Option<HeaderValue> {
    let found = hop_by_hop(headers, |it| match it {
        "te" => true,
        "proxy-authorization" => !protected(it),
        _ => false,
    });
    if found.is_empty() {
        return None;
    }
    let mut upgrade = None;
    if found.contains(&CONNECTION) {
        let named = connection_names(headers);
        if named.contains(&UPGRADE) {
            upgrade = headers.get(UPGRADE).cloned();
        }
        for name in named {
            if !is_essential(name.as_str()) && !protected(name.as_str()) && name != TE {
                headers.remove(name);
            }
        }
    }
    for name in found {
        if name == TE {
            keep_te_trailers(headers);
        } else {
            headers.remove(name);
        }
    }
    upgrade
}

/// The same for an answer.
pub fn strip_response_hop_by_hop(headers: &mut HeaderMap) {
    let found = hop_by_hop(headers, |it| {
        matches!(
            it,
            "te" | "proxy-authenticate" | "proxy-authentication-info"
        )
    });
    if found.contains(&CONNECTION) {
        for name in connection_names(headers) {
            if !is_essential(name.as_str()) {
                headers.remove(name);
            }
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// The names there that concern one connection, whether `Connection` names
/// them or not, and some others. Messages have few fields, and mostly none of
/// these: to look through them once is less than to ask for each of these.
fn hop_by_hop(headers: &HeaderMap, others: impl Fn(&str) -> bool) -> SmallVec<[HeaderName; 4]> {
    let leaves = |name: &str| {
        matches!(
            name,
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "http2-settings"
                | "transfer-encoding"
                | "upgrade"
        ) || others(name)
    };
    let names = headers.keys().filter(|name| leaves(name.as_str()));
    names.cloned().collect()
}

/// Whether a protocol may be switched to. HTTP in a tunnel would reach the
/// backend past every policy, and TLS is not ours to start over.
pub fn may_upgrade(protocol: &HeaderValue) -> bool {
    let forbidden = |name: &[u8]| {
        let name = name.trim_ascii().to_ascii_lowercase();
        let forbidden = [&b"h2"[..], b"http", b"tls"];
        forbidden.iter().any(|it| name.starts_with(it))
    };
    let mut names = protocol.as_bytes().split(|byte| *byte == b',');
    !protocol.is_empty() && !names.any(forbidden)
}

/// Takes off every header that only a gateway may set, in every spelling that a
/// backend could take for it: those that claims are copied to (decision T7),
/// and what Istio's gateways say about a client's certificate and to each other.
pub fn strip_identity(headers: &mut HeaderMap, identity: &IdentityHeaders) {
    remove_if(headers, |name| identity.contains(name) || is_mesh(name));
}

/// Whether a value begins or ends in white space. HTTP/1 parsers take it off;
/// over HTTP/2 such a value is malformed (RFC 9113 section 8.2.1), and to let
/// it pass would be to match one text and forward another.
pub fn has_padded_value(headers: &HeaderMap) -> bool {
    let blank = |it: Option<&u8>| matches!(it, Some(b' ' | b'\t'));
    headers.values().any(|value| {
        let bytes = value.as_bytes();
        blank(bytes.first()) || blank(bytes.last())
    })
}

/// Makes one line of several `Cookie` lines, which HTTP/2 allows and nothing
/// else does (RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    if let Ok(joined) = HeaderValue::try_from(joined) {
        headers.insert(COOKIE, joined);
    }
}

/// Takes off what a message may not say after its body (RFC 9110 section
/// 6.5.1): framing, routing, credentials, conditions, what describes the
/// content, and identity headers. A recipient that merges trailers into
/// headers would otherwise learn from them what policies never saw.
pub fn filter_trailers(trailers: &mut HeaderMap, identity: &IdentityHeaders) {
    if !trailers.is_empty() {
        remove_if(trailers, |name| {
            is_essential(name) || is_header_only(name) || is_mesh(name) || identity.contains(name)
        });
        if has_padded_value(trailers) {
            trailers.clear();
        }
    }
}

/// Tells the upstream about the connection: appends the peer to
/// `X-Forwarded-For`, and sets `X-Forwarded-Proto` to `scheme` (`http` or
/// `https`) unless a trusted peer has said it. As a gateway of Istio's does
/// (Envoy `use_remote_address`): counted from the right, what the gateway saw
/// itself comes first.
pub fn forward(headers: &mut HeaderMap, peer: IpAddr, scheme: &'static str, trusted: bool) {
    if let Ok(value) = HeaderValue::from_bytes(&forwarded_for(headers, peer)) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    settle_proto(headers, scheme, trusted);
}

/// Writes `X-Forwarded-Proto`, unless a trusted proxy has.
pub(crate) fn settle_proto(headers: &mut HeaderMap, scheme: &'static str, trusted: bool) {
    if !keeps_proto(headers, trusted) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
}

/// Whether what a request says in `X-Forwarded-Proto` stands.
pub(crate) fn keeps_proto(headers: &HeaderMap, trusted: bool) -> bool {
    if !trusted {
        return false;
    }
    let mut told = headers.get_all(&X_FORWARDED_PROTO).iter();
    told.next().is_some_and(is_scheme) && told.next().is_none()
}

/// Whether an authority is a host with an optional port (RFC 9110 section 7.2)
/// and nothing else: no userinfo, list, path or escape. Names are letters,
/// digits, `-`, `_` and single dots; an IPv6 address stands in brackets.
pub fn valid_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                (address, port)
            }
            _ => return false,
        },
        None => {
            let colon = authority.bytes().position(|it| it == b':');
            authority.split_at(colon.unwrap_or(authority.len()))
        }
    };
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_');
    // A second dot at the end would be one that no rule counts with.
    let twice = || host.as_bytes().windows(2).any(|it| it == b"..");
    let named = authority.starts_with('[')
        || (!matches!(host, "" | ".") && host.bytes().all(plain) && !twice());
    let digits =
        |port: &str| port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok();
    named && (port.is_empty() || port.strip_prefix(':').is_some_and(digits))
}

/// Names in `Connection`, but not the options that are no fields.
fn connection_names(headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|&it| it == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

fn keep_te_trailers(headers: &mut HeaderMap) {
    let trailers = headers.get_all(TE).iter().any(|line| {
        let mut codings = line.as_bytes().split(|&it| it == b',');
        codings.any(|it| it.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    });
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

fn remove_if(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: SmallVec<[HeaderName; 4]> = headers
        .keys()
        .filter(|name| unwanted(name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// What an Istio gateway tells its backends: who holds a client certificate,
/// and how Envoys treat a request among themselves.
fn is_mesh(name: &str) -> bool {
    let is = |wanted: &str, name: &str| {
        let fold = |it: u8| if it == b'_' { b'-' } else { it };
        wanted.bytes().eq(name.bytes().map(fold))
    };
    name.len() >= MESH_PREFIX.len()
        && name.starts_with('x')
        && (is(CLIENT_CERTIFICATE, name)
            || name
                .get(..MESH_PREFIX.len())
                .is_some_and(|it| is(MESH_PREFIX, it)))
}

/// What a peer's `Connection` cannot take from a message.
fn is_essential(name: &str) -> bool {
    let starts = |prefix| name.starts_with(prefix);
    matches!(
        name,
        "host" | "authorization" | "cookie" | "set-cookie" | "forwarded" | "origin"
    ) || starts("content-")
        || starts("x-forwarded-")
}

/// What is no trailer beside [`is_essential`].
fn is_header_only(name: &str) -> bool {
    let starts = |prefix| name.starts_with(prefix);
    matches!(
        name,
        "age"
            | "cache-control"
            | "connection"
            | "date"
            | "expect"
            | "expires"
            | "http2-settings"
            | "keep-alive"
            | "location"
            | "max-forwards"
            | "pragma"
            | "range"
            | "retry-after"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "vary"
            | "via"
            | "warning"
            | "www-authenticate"
            | "x-real-ip"
    ) || starts("proxy-")
        || starts("if-")
        || starts("access-control-")
        || starts("sec-")
}

fn is_scheme(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), b"http" | b"https")
}

/// `X-Forwarded-For` as the upstream gets it.
pub(crate) fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> SmallVec<[u8; 256]> {
    let mut list = SmallVec::new();
    for line in headers.get_all(&X_FORWARDED_FOR) {
        if !line.is_empty() {
            list.extend_from_slice(line.as_bytes());
            list.push(b',');
        }
    }
    write_address(&mut list, peer.to_canonical());
    list
}

/// Appends an address as text. Nearly all are IPv4, and to format one is more
/// than all else that is done for this header.
fn write_address(list: &mut SmallVec<[u8; 256]>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        // Cannot fail: the buffer grows.
        let _ = write!(list, "{address}");
        return;
    };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            list.push(b'.');
        }
        if octet >= 100 {
            list.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            list.push(b'0' + octet / 10 % 10);
        }
        list.push(b'0' + octet % 10);
    }
}

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const CLIENT_CERTIFICATE: &str = "x-forwarded-client-cert";
const MESH_PREFIX: &str = "x-envoy-";
