//! Answers of the gateway's own: refusals, redirects, preflights.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::filter::{Cors, Redirect};
use countersign_core::{Denial, Prepared, Reason};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, LOCATION,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::body::Body;
use super::exchange::Exchange;

/// A CORS filter and the origin that asks.
pub(crate) type Sharing<'a> = Option<(&'a Cors, Option<HeaderValue>)>;

/// Says no.
pub(crate) fn refuse(
    mut exchange: Box<Exchange>,
    denial: &Denial,
    sharing: Sharing<'_>,
) -> Response<Body> {
    exchange.refused(denial);
    let mut headers = HeaderMap::new();
    if let Some((cors, origin)) = sharing {
        cors.answer(origin.as_ref(), &mut headers);
    }
    let challenge = denial
        .challenge
        .as_deref()
        .and_then(|it| HeaderValue::from_str(it).ok());
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    let http2 = exchange.asker.version == Version::HTTP_2;
    if ends_connection(&denial.reason) && !http2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let text = denial.reason.body();
    let (status, text) = if exchange.asker.grpc {
        grpc(&denial.reason, &mut headers);
        (StatusCode::OK, "".into())
    } else {
        (denial.reason.status(), text)
    };
    if !text.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    respond(
        exchange,
        status,
        denial.reason.clone(),
        headers,
        text.into_owned(),
    )
}

/// Answers a preflight that the route's CORS filter takes.
pub(crate) fn preflight(exchange: Box<Exchange>, cors: &Cors, asked: &HeaderMap) -> Response<Body> {
    let headers = cors.preflight(asked);
    respond(
        exchange,
        Reason::Preflight.status(),
        Reason::Preflight,
        headers,
        String::new(),
    )
}

/// Sends the client elsewhere.
pub(crate) fn redirect(
    exchange: Box<Exchange>,
    redirect: &Redirect,
    parts: &Parts,
    prepared: &Prepared,
    port: u16,
    sharing: Sharing<'_>,
) -> Response<Body> {
    let (path, query) = (parts.uri.path(), parts.uri.query());
    let location = redirect.location(prepared.scheme, &prepared.authority, port, path, query);
    let Ok(location) = HeaderValue::try_from(location) else {
        let denial = Denial::because(Reason::BadRequest, "the redirect is no valid header");
        return refuse(exchange, &denial, sharing);
    };
    let mut headers = HeaderMap::new();
    if let Some((cors, origin)) = sharing {
        cors.answer(origin.as_ref(), &mut headers);
    }
    headers.insert(LOCATION, location);
    respond(
        exchange,
        redirect.status,
        Reason::Redirect,
        headers,
        String::new(),
    )
}

/// Takes what a refused client is still sending, within bounds, so that it
/// gets to read why it was refused: a connection that closes on unread bytes
/// is reset, and with it goes the answer (RFC 9112 section 9.6).
pub(crate) fn drain(body: Incoming, parts: &Parts) {
    let over = http_body::Body::is_end_stream(&body) || parts.version == Version::HTTP_2;
    // Who waits for leave to send is not given it.
    if over || parts.headers.contains_key(EXPECT) {
        return;
    }
    spawn_local(timeout(DRAIN_TIME, async move {
        let (mut body, mut left) = (body, DRAIN_BYTES);
        while let Some(Ok(frame)) = http_body_util::BodyExt::frame(&mut body).await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}

const DRAIN_BYTES: usize = 256 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

fn respond(
    mut exchange: Box<Exchange>,
    status: StatusCode,
    reason: Reason,
    mut headers: HeaderMap,
    text: String,
) -> Response<Body> {
    exchange.answers(status, reason);
    exchange.tell(&mut headers);
    let head = exchange.asker.method == Method::HEAD;
    let length = HeaderValue::from(text.len());
    let text = if head { Bytes::new() } else { text.into() };
    let mut response = Response::new(Body::whole(exchange, text));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if head {
        // HEAD is told what GET would get (RFC 9110 section 9.3.2).
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

/// What came before cannot be told from what comes next, or is not wanted.
fn ends_connection(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::BadRequest
            | Reason::ClientTimeout
            | Reason::HeadersTooLarge
            | Reason::BodyTooLarge
            | Reason::TokenLapsed
    )
}

/// A trailers-only answer (gRPC over HTTP/2, "Responses").
fn grpc(reason: &Reason, headers: &mut HeaderMap) {
    let (code, message) = reason.grpc();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from(u16::from(code)),
    );
    if let (false, Ok(message)) = (message.is_empty(), HeaderValue::try_from(message)) {
        headers.insert(HeaderName::from_static("grpc-message"), message);
    }
}
