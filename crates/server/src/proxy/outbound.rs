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
