//! What hyper lets through and a gateway must not: heads beyond the socket's
//! limits, and framing that the next server may read differently.

use countersign_config::compiled::Limits;
use countersign_core::{Denial, Reason};
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, Version};

/// Checks the head of a request.
///
/// # Errors
/// A refusal, after which the connection must not go on
/// (see [`last_word`]).
pub(super) fn request<B>(request: &Request<B>, limits: &Limits) -> Result<(), Denial> {
    let headers = request.headers();
    if headers.len() > limits.headers as usize || size(request) > u64::from(limits.header_bytes) {
        return Err(Denial::because(
            Reason::HeadersTooLarge,
            "beyond the limits of the socket",
        ));
    }
    framing(headers)
}

/// An answer to a request that failed its check: its body was not read, and
/// in HTTP/1 nobody can tell where the next request starts.
pub(super) fn last_word<B>(mut response: Response<B>, version: Version) -> Response<B> {
    if version < Version::HTTP_2 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// One `Transfer-Encoding` and no other coding than `chunked` (RFC 9112
/// section 6.1): no other is ours to undo, and none may hide from us. What
/// servers behind CGI conventions take for a framing header is refused as well.
fn framing(headers: &HeaderMap) -> Result<(), Denial> {
    let bad = |detail| Err(Denial::because(Reason::BadRequest, detail));
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        (Some(_), None) => return bad("a Transfer-Encoding other than chunked"),
        (Some(_), Some(_)) => return bad("more than one Transfer-Encoding"),
    }
    if LOOK_ALIKES.iter().any(|name| headers.contains_key(*name)) {
        return bad("a framing header spelt with `_`");
    }
    Ok(())
}

const LOOK_ALIKES: [&str; 2] = ["transfer_encoding", "content_length"];

/// Bytes of the head as HTTP/1 writes it.
fn size<B>(request: &Request<B>) -> u64 {
    let line = request.method().as_str().len() + target(request) + " HTTP/1.1\r\n ".len();
    let fields = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + fields.sum::<usize>()) as u64
}

fn target<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let authority = uri.authority().map_or(0, |it| it.as_str().len());
    authority + uri.path_and_query().map_or(0, |it| it.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn framing_has_one_form() {
        let limits = Limits::default();
        for good in [
            &[][..],
            &[("transfer-encoding", "chunked")],
            &[("transfer-encoding", "Chunked")],
        ] {
            assert_eq!(request(&with(good), &limits), Ok(()), "{good:?}");
        }
        for bad in [
            &[("transfer-encoding", "gzip, chunked")][..],
            &[("transfer-encoding", "chunked, chunked")],
            &[("transfer-encoding", "chunked;q=1")],
            &[("transfer-encoding", "")],
            &[
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            &[("content_length", "3")],
            &[("transfer_encoding", "chunked")],
        ] {
            let denial = request(&with(bad), &limits).unwrap_err();
            assert_eq!(denial.reason, Reason::BadRequest, "{bad:?}");
        }
    }

    #[test]
    fn heads_beyond_the_limits() {
        // "GET / HTTP/1.1\r\n" and two of "x-n: 0123456789\r\n".
        let two = with(&[("x-1", "0123456789"), ("x-2", "0123456789")]);
        let limits = |header_bytes, headers| Limits {
            header_bytes,
            headers,
            ..Limits::default()
        };
        assert_eq!(request(&two, &limits(16 + 2 * 17, 2)), Ok(()));
        for limits in [limits(16 + 2 * 17 - 1, 2), limits(1000, 1)] {
            assert_eq!(
                request(&two, &limits).unwrap_err().reason,
                Reason::HeadersTooLarge
            );
        }
    }
}
