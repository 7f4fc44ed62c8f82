//! The head of a request, made of its description, and the bounds that it must keep.

use countersign_config::compiled::Limits;
use countersign_core::{Denial, Reason};
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};

use crate::request::Ask;

/// The head of the request.
pub(crate) fn build(ask: &Ask) -> Result<Parts, &'static str> {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method =
        Method::from_bytes(ask.method.as_bytes()).map_err(|_| "the method is no token")?;
    if ask.target.contains('#') {
        return Err("the request target has a fragment");
    }
    parts.uri = ask
        .target
        .parse()
        .map_err(|_| "the request target is no URI")?;
    let host = ask.host.iter().map(|host| (HOST.as_str(), host.as_str()));
    let others = ask
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in host.chain(others) {
        let name = HeaderName::try_from(name).map_err(|_| "a header's name is no token")?;
        let value = HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes());
        let value = value.map_err(|_| "a header's value has a control character")?;
        parts.headers.append(name, value);
    }
    if let Some(body) = &ask.body {
        parts
            .headers
            .entry(CONTENT_LENGTH)
            .or_insert(HeaderValue::from(body.len()));
    }
    Ok(parts)
}

/// The bounds that hold before anything is decided.
pub(crate) fn within(parts: &Parts, limits: &Limits) -> Result<(), Denial> {
    let fields = parts.headers.iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let target = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let line = parts.method.as_str().len() + target + " HTTP/1.1\r\n ".len();
    let bytes = (line + fields.sum::<usize>()) as u64;
    let too_large = |detail| Err(Denial::because(Reason::HeadersTooLarge, detail));
    if parts.headers.len() > limits.headers as usize {
        return too_large("more headers than the listener's limit");
    }
    if bytes > u64::from(limits.header_bytes) {
        return too_large("more bytes in the headers than the listener's limit");
    }
    Ok(())
}
