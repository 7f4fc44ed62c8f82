//! What is wrong with the head of an HTTP/1 request, in words for the log.

use countersign_core::Reason;

use crate::edge::proxy_protocol;

/// Why a request is refused before it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLong,
    TooMany,
    LongName,
    Late,
    Tls,
    Proxy,
    BareLineFeed,
    RequestLine,
    Method,
    Target,
    Version,
    Folded,
    NoColon,
    SpaceBeforeColon,
    Name,
    Value,
    Length,
    TwoLengths,
    TwoCodings,
    OtherCoding,
    OldCoding,
    LengthAndCoding,
    LookAlike,
}

impl Fault {
    /// What the client is told.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Fault::TooLong | Fault::TooMany | Fault::LongName => Reason::HeadersTooLarge,
            Fault::Late => Reason::ClientTimeout,
            _ => Reason::BadRequest,
        }
    }

    /// In words, for the log.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Fault::TooLong => "more bytes than `limits.headerBytes`",
            Fault::TooMany => "more header lines than `limits.headers`",
            Fault::LongName => "a target or a header name of 64 KiB",
            Fault::Late => "the head did not end within `timeouts.requestHeaders`",
            Fault::Tls => "a TLS handshake on a port without TLS",
            Fault::Proxy => "a PROXY header from an address that is not in `proxyProtocol.from`",
            Fault::BareLineFeed => "a line of the head that does not end in CRLF",
            Fault::RequestLine => "a request line that is not `method target version`",
            Fault::Method => "a method with a character that no token has",
            Fault::Target => "a target with a character that no URI has",
            Fault::Version => "a version other than HTTP/1.1 and HTTP/1.0",
            Fault::Folded => "a folded header",
            Fault::NoColon => "a header line without a colon",
            Fault::SpaceBeforeColon => "white space before the colon of a header",
            Fault::Name => "a header name with a character that no token has",
            Fault::Value => "a control character in a header",
            Fault::Length => "a Content-Length that is no number",
            Fault::TwoLengths => "more than one Content-Length",
            Fault::TwoCodings => "more than one Transfer-Encoding",
            Fault::OtherCoding => "a Transfer-Encoding other than chunked",
            Fault::OldCoding => "a Transfer-Encoding in HTTP/1.0",
            Fault::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Fault::LookAlike => "a framing header spelt with `_`",
        }
    }

    /// The same, or what explains it better: bytes of another protocol.
    pub(crate) fn explained(self, start: &[u8]) -> Fault {
        if start.starts_with(TLS) {
            Fault::Tls
        } else if proxy_protocol::starts(start) {
            Fault::Proxy
        } else {
            self
        }
    }
}

/// A handshake record (RFC 8446 section 5.1).
const TLS: &[u8] = b"\x16\x03";
