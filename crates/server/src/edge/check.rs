//! What hyper lets through and a gateway must not: heads beyond the socket's
//! limits, and faults of the framing.

use countersign_config::compiled::Limits;
use countersign_core::Denial;
use http::header::{CONNECTION, CONTENT_TYPE};
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
    let fault = if fault.is_some() {
        fault
    } else if request.headers().len() > limits.headers as usize {
        Some(Fault::TooMany)
    } else if size(request) > u64::from(limits.header_bytes) {
        Some(Fault::TooLong)
    } else {
        None
    };
    match fault {
        Some(fault) => Err(Denial::because(fault.reason(), fault.detail())),
        None => Ok(()),
    }
}

/// A request that is refused without the headers that nobody asks for then:
/// many may be refused at once, and be large.
pub(super) fn leaned<B>(mut request: Request<B>) -> Request<B> {
    let kind = request.headers_mut().remove(CONTENT_TYPE);
    *request.headers_mut() = kind.map(|kind| (CONTENT_TYPE, kind)).into_iter().collect();
    request
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
    use countersign_core::Reason;

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
        for (limits, detail) in [
            (limits(16 + 2 * 17 - 1, 2), Fault::TooLong.detail()),
            (limits(1000, 1), Fault::TooMany.detail()),
        ] {
            let denial = request(&two, &limits, None).unwrap_err();
            assert_eq!(denial.reason, Reason::HeadersTooLarge);
            assert_eq!(&*denial.detail, detail);
        }
    }

    #[test]
    fn what_is_refused_keeps_what_its_answer_depends_on() {
        let call = with(&[("cookie", "large"), ("content-type", "application/grpc")]);
        let lean = leaned(call);
        assert_eq!(lean.headers().len(), 1);
        assert_eq!(lean.headers()[CONTENT_TYPE], "application/grpc");
        assert!(leaned(with(&[("cookie", "large")])).headers().is_empty());
    }
}
