//! A small HTTP client for documents that the gateway itself needs: bounded in size, time and redirects, and choosy about
//! addresses. HTTP/1.1, one connection for each request: what it gets or sends is whole documents, now and then.
//!
//! Enter by [`get`] and [`post`], and by [`send`] for a request of whatever form.

mod connect;
mod error;
mod guard;
mod tls;
mod url;

use bytes::Bytes;
use countersign_config::compiled::AddressGuard;
use countersign_core::backend::{Ca, Endpoint};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use connect::Duplex;
use error::within;

pub use error::Error;
pub use url::Url;

/// How a document is got.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// For URLs of this one's scheme, host and port, connect here instead. TLS is still verified against the URL's host.
    pub detour: Option<(&'a Url, &'a Endpoint)>,
    /// What the certificates of `https` must lead to.
    pub ca: &'a Ca,
    /// Addresses that are never connected to.
    pub guard: AddressGuard,
    /// When all of it must be over: redirects, names, connections and bodies.
    pub deadline: Instant,
    /// Bytes of a body; more is an error.
    pub largest: usize,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Any status but that of a redirect which was followed.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
    /// Where it came from in the end.
    pub url: Url,
}

/// Gets a JSON document, following up to three redirects, none of which may lead from `https` to `http`.
///
/// # Errors
/// When there is no complete answer under these terms.
pub async fn get(url: &Url, terms: &Terms<'_>) -> Result<Answer, Error> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let answer = once(&url, None, terms).await?;
        let Some(next) = redirect(&answer)? else {
            return Ok(answer);
        };
        if url.is_https() && !next.is_https() {
            return Err(Error::Downgrade);
        }
        url = next;
    }
    Err(Error::Redirects)
}

/// Posts a JSON document. No redirect is followed: what is sent is meant for this URL alone.
///
/// # Errors
/// When there is no complete answer under these terms. An answer that says no is one.
pub async fn post(url: &Url, document: Bytes, terms: &Terms<'_>) -> Result<Answer, Error> {
    once(url, Some(document), terms).await
}

/// Sends a request as it is to where a URL leads, and follows no redirect. The answer is taken in whatever encoding it has.
///
/// # Errors
/// When there is no complete answer under these terms.
pub async fn send(
    url: &Url,
    request: Request<Full<Bytes>>,
    terms: &Terms<'_>,
) -> Result<Answer, Error> {
    let stream = connect::open(url, terms).await?;
    let answer = exchange(url, request, stream, terms.largest, Encoded::Taken);
    within(terms.deadline, "waiting for the answer", answer).await?
}

fn redirect(answer: &Answer) -> Result<Option<Url>, Error> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers.get(LOCATION) else {
        return Ok(None);
    };
    let next = location
        .to_str()
        .ok()
        .and_then(|location| answer.url.join(location).ok());
    next.map(Some).ok_or(Error::Location)
}

/// One request: a `POST` where there is a document, otherwise a `GET`.
async fn once(url: &Url, document: Option<Bytes>, terms: &Terms<'_>) -> Result<Answer, Error> {
    let request = request(url, document)?;
    let stream = connect::open(url, terms).await?;
    within(
        terms.deadline,
        "waiting for the answer",
        exchange(url, request, stream, terms.largest, Encoded::Refused),
    )
    .await?
}

async fn exchange(
    url: &Url,
    request: Request<Full<Bytes>>,
    stream: Box<dyn Duplex>,
    largest: usize,
    encoded: Encoded,
) -> Result<Answer, Error> {
    let io = hyper_util::rt::TokioIo::new(stream);
    let mut client = hyper::client::conn::http1::Builder::new();
    client.max_buf_size(HEADER_BYTES);
    let (mut sender, connection) = client
        .handshake(io)
        .await
        .map_err(|error| Error::http(&error))?;
    let work = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| Error::http(&error))?;
        collect(url, response, largest, encoded).await
    };
    // The connection only moves bytes; where it breaks, the request says so.
    let drive = async {
        let _broken = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = work => answer,
        answer = drive => answer,
    }
}

fn request(url: &Url, document: Option<Bytes>) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = Request::get(url.target())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/json, */*;q=0.5")
        .header(ACCEPT_ENCODING, "identity")
        .header(
            USER_AGENT,
            concat!("countersign/", env!("CARGO_PKG_VERSION")),
        )
        .header(CONNECTION, "close");
    if document.is_some() {
        request = request
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json");
    }
    request
        .body(Full::new(document.unwrap_or_default()))
        .map_err(|_| Error::Url("the URL cannot be sent in a request"))
}

/// What becomes of an answer whose body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoded {
    Refused,
    Taken,
}

async fn collect(
    url: &Url,
    response: Response<Incoming>,
    largest: usize,
    encoded: Encoded,
) -> Result<Answer, Error> {
    let (parts, body) = response.into_parts();
    let encoding = parts.headers.get(CONTENT_ENCODING);
    let encoding = encoding.filter(|_| encoded == Encoded::Refused);
    if encoding.is_some_and(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::Encoded);
    }
    if body.size_hint().lower() > largest as u64 {
        return Err(Error::TooLarge(largest));
    }
    let body = Limited::new(body, largest)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Error::TooLarge(largest)
            } else {
                Error::http(&*error)
            }
        })?;
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
        url: url.clone(),
    })
}

/// Redirects that are followed.
const REDIRECTS: u32 = 3;
/// Bytes of an answer's head, give or take one read.
const HEADER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
