//! What hyper lets through and a gateway must not: heads beyond the socket's
//! limits, and faults of the framing.

use countersign_config::compiled::Limits;
use countersign_core::{Denial, Reason};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};

use super::framing::Fault;

/// Checks the head of a request.
///
/// # Errors
/// A refusal, after which the connection must not go on
/// (see [`last_word`]).
pub(super) fn request<B>(
    request: &Request<B>,
    limits: &Limits,
    fault: Option<Fault>,
) -> Result<(), Denial> {
    let headers = request.headers();
    if headers.len() > limits.headers as usize || size(request) > u64::from(limits.header_bytes) {
        return Err(Denial::because(
            Reason::HeadersTooLarge,
            "beyond the limits of the socket",
        ));
    }
    match fault {
        Some(fault) => Err(Denial::because(Reason::BadRequest, fault.detail())),
        None => Ok(()),
    }
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
    fn a_fault_of_the_framing_is_a_bad_request() {
        let denial = request(&with(&[]), &Limits::default(), Some(Fault::TwoCodings)).unwrap_err();
        assert_eq!(denial.reason, Reason::BadRequest);
        assert_eq!(&*denial.detail, "more than one Transfer-Encoding");
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
        assert_eq!(request(&two, &limits(16 + 2 * 17, 2), None), Ok(()));
        for limits in [limits(16 + 2 * 17 - 1, 2), limits(1000, 1)] {
            assert_eq!(
                request(&two, &limits, None).unwrap_err().reason,
                Reason::HeadersTooLarge
            );
        }
    }
}
