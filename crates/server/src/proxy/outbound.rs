//! What becomes of a request on its way to a backend.

use countersign_core::filter::Filters;
use countersign_core::headers;
use countersign_core::listener::Listener;
use countersign_core::path::BadPath;
use countersign_core::{Denial, Prepared, Reason};
use http::header::{CONNECTION, EXPECT, HeaderValue, UPGRADE};
use http::request::Parts;

use super::exchange::REQUEST_ID;
use super::random::Random;

/// Filters of a rule or of one of its backends.
///
/// # Errors
/// When the rewritten target cannot be sent.
pub(crate) fn filter(parts: &mut Parts, filters: &Filters) -> Result<(), Denial> {
    if !filters.request_headers.is_empty() {
        filters.request_headers.apply(&mut parts.headers);
    }
    if let Some(rewrite) = &filters.rewrite {
        let bad = |bad: BadPath| Denial::because(Reason::BadPath, &bad.to_string());
        rewrite.apply(parts).map_err(bad)?;
    }
    Ok(())
}

/// What every backend is told about the request. A `traceparent` goes on as it came, unless requests are traced.
pub(crate) fn annotate(
    parts: &mut Parts,
    prepared: &Prepared,
    listener: &Listener,
    random: &Random,
) {
    let trusted = listener.proxies.trusts(prepared.peer);
    headers::forward(&mut parts.headers, prepared.peer, prepared.scheme, trusted);
    identify(parts, random);
    // The gateway itself has said, or says as soon as the body is wanted, that
    // the client may go on (RFC 9110 section 10.1.1).
    parts.headers.remove(EXPECT);
}

/// Gives the request an id, if it has none.
pub(crate) fn identify(parts: &mut Parts, random: &Random) {
    if !parts.headers.contains_key(&REQUEST_ID) {
        parts.headers.insert(REQUEST_ID, random.request_id());
    }
}

/// Asks the backend to switch protocols.
pub(crate) fn upgrade(parts: &mut Parts, protocol: &HeaderValue) {
    parts
        .headers
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, protocol.clone());
}

/// Whether a protocol may be switched to. HTTP in a tunnel would reach the
/// backend past every policy, and TLS is not ours to start over.
pub(crate) fn may_upgrade(protocol: &HeaderValue) -> bool {
    let forbidden = |name: &[u8]| {
        let name = name.trim_ascii().to_ascii_lowercase();
        [&b"h2"[..], b"http", b"tls"]
            .iter()
            .any(|it| name.starts_with(it))
    };
    !protocol.is_empty()
        && !protocol
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_http_within_http() {
        for (protocol, may) in [
            ("websocket", true),
            ("WebSocket", true),
            ("foo/2", true),
            ("h2c", false),
            ("H2C", false),
            ("websocket, h2c", false),
            ("HTTP/2.0", false),
            ("TLS/1.0", false),
            ("", false),
        ] {
            assert_eq!(
                may_upgrade(&HeaderValue::from_static(protocol)),
                may,
                "{protocol}"
            );
        }
    }
}
