//! A refusal as the client gets it: plain, or by gRPC.

use countersign_core::Denial;
use countersign_core::route::RouteRule;
use http::header::{HeaderMap, HeaderValue, ORIGIN};

use crate::answer::Reply;
use crate::request::Ask;
use crate::upstream::pairs;

/// Status, headers and body.
pub(crate) fn refusal(denial: &Denial, ask: &Ask, route: Option<&RouteRule>) -> Reply {
    let mut headers = HeaderMap::new();
    // A browser shows a page the status of a refusal only with these.
    if let Some(cors) = route.and_then(|it| it.filters.cors.as_ref()) {
        let origin = header(ask, ORIGIN.as_str()).and_then(|it| HeaderValue::from_str(it).ok());
        cors.answer(origin.as_ref(), &mut headers);
    }
    let mut headers = pairs(&headers);
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    if let Some(challenge) = &denial.challenge {
        add("www-authenticate", challenge.to_string());
    }
    let grpc = header(ask, "content-type").is_some_and(|it| it.starts_with("application/grpc"));
    if grpc {
        let (status, message) = denial.reason.grpc();
        add("content-type", "application/grpc".to_owned());
        add("grpc-status", status.to_string());
        add("grpc-message", message);
        return Reply {
            status: 200,
            headers,
            body: String::new(),
        };
    }
    let body = denial.reason.body();
    if !body.is_empty() {
        add("content-type", "text/plain".to_owned());
    }
    let shown = if ask.method == "HEAD" { "" } else { &*body };
    Reply {
        status: denial.reason.status().as_u16(),
        headers,
        body: shown.to_owned(),
    }
}

fn header<'a>(ask: &'a Ask, wanted: &str) -> Option<&'a str> {
    let mut headers = ask.headers.iter();
    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| value.as_str())
}
