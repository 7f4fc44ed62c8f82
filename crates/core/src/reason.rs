//! Why a request was answered the way it was: one closed list, with a stable
//! code for logs and metrics, and the little that the caller is told.

use std::borrow::Cow;

use countersign_jose::TokenError;
use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Everything that can end a request short of its upstream's own answer.
///
/// `docs/reasons.md` has a line for each code; a test keeps the two together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing was refused.
    Ok,
    /// The request breaks HTTP's rules: a bad target, host or framing.
    BadRequest,
    /// The path has an encoding that must not be forwarded.
    BadPath,
    /// `CONNECT`, or `*` with another method than OPTIONS.
    MethodRefused,
    /// No listener of the port answers for this host.
    NoListener,
    /// The host belongs to another listener than the TLS handshake named
    /// (RFC 9110 section 15.5.20).
    Misdirected,
    /// No route matches.
    RouteNotFound,
    /// A policy or something it refers to is missing: closed, not opened.
    PolicyConfiguration,
    /// A token is wanted and there is none.
    TokenMissing,
    /// A token is there and is no good.
    Token(TokenError),
    /// The key set could not be fetched; the body differs by the kind that configured it.
    KeysUnavailable {
        /// Fixed by the provider: Istio's or kgateway's text.
        body: &'static str,
    },
    /// Two tokens say different issuers (decision T3).
    IssuersDiffer,
    /// Two tokens of one issuer say different subjects (decision T3).
    SubjectsDiffer,
    /// A claim cannot be written as a header value.
    ClaimNotHeader,
    /// The rule has no backend that resolved.
    NoBackend,
    /// A redirect filter answered.
    Redirect,
    /// A CORS filter answered a preflight.
    Preflight,
    /// No endpoint of the backend could be reached.
    UpstreamUnavailable,
    /// The backend broke off before it answered.
    UpstreamReset,
    /// The backend or the whole exchange took too long.
    Timeout,
    /// The client left before it had its answer.
    ClientGone,
    /// The client was too slow to send its request.
    ClientTimeout,
    /// The headers are larger than the listener's limit.
    HeadersTooLarge,
    /// The body is larger than the listener's limit.
    BodyTooLarge,
    /// The stream outlived the token that opened it (decision P12).
    TokenLapsed,
    /// A DENY rule of an AuthorizationPolicy matched.
    PolicyDenied,
    /// ALLOW policies hold here, and none of their rules matched.
    PolicyNotAllowed,
    /// A CUSTOM rule matched whose provider nobody knows: nobody can allow it.
    PolicyCustom,
    /// A `Deny` expression was true.
    ExpressionDenied,
    /// No `Allow` expression was true, or a `Require` expression was not.
    ExpressionNotAllowed,
    /// An expression could not be evaluated (decision P2).
    ExpressionFailed,
    /// The client's address is blocked, or not among those allowed.
    AddressRefused,
    /// The gateway is at its limit of connections or requests.
    Overloaded,
}

impl Reason {
    /// One of each, for documentation and tests over the whole list.
    pub fn all() -> Vec<Reason> {
        use Reason as R;
        use TokenError as T;
        let plain = [
            R::Ok,
            R::BadRequest,
            R::BadPath,
            R::MethodRefused,
            R::NoListener,
            R::Misdirected,
            R::RouteNotFound,
            R::PolicyConfiguration,
            R::TokenMissing,
            R::KeysUnavailable {
                body: "Jwks remote fetch is failed",
            },
            R::IssuersDiffer,
            R::SubjectsDiffer,
            R::ClaimNotHeader,
            R::NoBackend,
            R::Redirect,
            R::Preflight,
            R::UpstreamUnavailable,
            R::UpstreamReset,
            R::Timeout,
            R::ClientGone,
            R::ClientTimeout,
            R::HeadersTooLarge,
            R::BodyTooLarge,
            R::TokenLapsed,
            R::Overloaded,
            R::PolicyDenied,
            R::PolicyNotAllowed,
            R::PolicyCustom,
            R::ExpressionDenied,
            R::ExpressionNotAllowed,
            R::ExpressionFailed,
            R::AddressRefused,
        ];
        let tokens = [
            T::TooLarge,
            T::Format,
            T::NotCanonical,
            T::HeaderBase64,
            T::HeaderJson,
            T::HeaderDuplicate,
            T::AlgMissing,
            T::AlgUnsupported,
            T::KidNotString,
            T::Critical,
            T::PayloadBase64,
            T::PayloadJson,
            T::PayloadDuplicate,
            T::ClaimNotString("sub"),
            T::ClaimNotInteger("exp"),
            T::ClaimNotPositive64("exp"),
            T::AudNotStrings,
            T::SignatureBase64,
            T::AlgNotAllowed,
            T::IssuerUnknown,
            T::NotYetValid,
            T::Expired,
            T::AudienceRefused,
            T::NoMatchingKey,
            T::BadSignature,
        ];
        plain
            .into_iter()
            .chain(tokens.into_iter().map(R::Token))
            .collect()
    }

    /// Stable name for logs, metrics and `explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Ok => "ok",
            Reason::BadRequest => "bad_request",
            Reason::BadPath => "bad_path",
            Reason::MethodRefused => "method_refused",
            Reason::NoListener => "no_listener",
            Reason::Misdirected => "misdirected",
            Reason::RouteNotFound => "route_not_found",
            Reason::PolicyConfiguration => "policy_configuration",
            Reason::TokenMissing => "jwt_missing",
            Reason::Token(error) => error.code(),
            Reason::KeysUnavailable { .. } => "jwks_unavailable",
            Reason::IssuersDiffer => "issuers_differ",
            Reason::SubjectsDiffer => "subjects_differ",
            Reason::ClaimNotHeader => "claim_not_header",
            Reason::NoBackend => "no_backend",
            Reason::Redirect => "redirect",
            Reason::Preflight => "cors_preflight",
            Reason::UpstreamUnavailable => "upstream_unavailable",
            Reason::UpstreamReset => "upstream_reset",
            Reason::Timeout => "timeout",
            Reason::ClientGone => "client_gone",
            Reason::ClientTimeout => "client_timeout",
            Reason::HeadersTooLarge => "headers_too_large",
            Reason::BodyTooLarge => "body_too_large",
            Reason::TokenLapsed => "token_lapsed",
            Reason::Overloaded => "overloaded",
            Reason::PolicyDenied => "policy_denied",
            Reason::PolicyNotAllowed => "policy_not_allowed",
            Reason::PolicyCustom => "policy_custom",
            Reason::ExpressionDenied => "expression_denied",
            Reason::ExpressionNotAllowed => "expression_not_allowed",
            Reason::ExpressionFailed => "expression_failed",
            Reason::AddressRefused => "address_refused",
        }
    }

    /// Whether a rule about what callers may do refused, and no token was at fault.
    pub fn is_authorization(&self) -> bool {
        matches!(
            self,
            Reason::PolicyDenied
                | Reason::PolicyNotAllowed
                | Reason::PolicyCustom
                | Reason::ExpressionDenied
                | Reason::ExpressionNotAllowed
                | Reason::ExpressionFailed
                | Reason::AddressRefused
        )
    }

    /// The status that the caller gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Reason::PolicyDenied
            | Reason::PolicyNotAllowed
            | Reason::PolicyCustom
            | Reason::ExpressionDenied
            | Reason::ExpressionNotAllowed
            | Reason::ExpressionFailed
            | Reason::AddressRefused => StatusCode::FORBIDDEN,
            Reason::Ok | Reason::Preflight => StatusCode::OK,
            Reason::Redirect => StatusCode::FOUND,
            Reason::BadRequest | Reason::BadPath => StatusCode::BAD_REQUEST,
            Reason::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
            Reason::NoListener | Reason::RouteNotFound => StatusCode::NOT_FOUND,
            Reason::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Reason::PolicyConfiguration | Reason::NoBackend => StatusCode::INTERNAL_SERVER_ERROR,
            Reason::Token(error) => {
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED)
            }
            Reason::TokenMissing
            | Reason::KeysUnavailable { .. }
            | Reason::IssuersDiffer
            | Reason::SubjectsDiffer
            | Reason::TokenLapsed
            | Reason::ClaimNotHeader => StatusCode::UNAUTHORIZED,
            Reason::UpstreamUnavailable | Reason::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Reason::UpstreamReset => StatusCode::BAD_GATEWAY,
            Reason::Timeout => StatusCode::GATEWAY_TIMEOUT,
            // What nginx writes; nobody is there to read it.
            Reason::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
            Reason::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Reason::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The body that the caller gets: what Envoy says where Envoy says
    /// something, otherwise a few words that tell no secret.
    pub fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Reason::Ok | Reason::Preflight | Reason::Redirect | Reason::RouteNotFound => "",
            Reason::BadRequest => "bad request",
            Reason::BadPath => "bad path",
            Reason::MethodRefused => "method not allowed",
            Reason::NoListener | Reason::ClientGone => "",
            Reason::Misdirected => "misdirected request",
            Reason::PolicyConfiguration => "policy configuration error",
            Reason::TokenMissing => "Jwt is missing",
            Reason::Token(error) => return error.message(),
            Reason::KeysUnavailable { body } => body,
            Reason::IssuersDiffer => "Jwt issuer is not configured",
            Reason::SubjectsDiffer | Reason::ClaimNotHeader => "Jwt verification fails",
            Reason::NoBackend => "no backend",
            Reason::UpstreamUnavailable => "upstream unavailable",
            Reason::UpstreamReset => "upstream closed the connection",
            Reason::Timeout => "upstream request timeout",
            Reason::ClientTimeout => "request timeout",
            Reason::HeadersTooLarge => "request headers too large",
            Reason::BodyTooLarge => "Payload Too Large",
            Reason::TokenLapsed => "Jwt is expired",
            Reason::Overloaded => "overloaded",
            Reason::PolicyDenied
            | Reason::PolicyNotAllowed
            | Reason::PolicyCustom
            | Reason::ExpressionDenied
            | Reason::ExpressionNotAllowed
            | Reason::ExpressionFailed
            | Reason::AddressRefused => "RBAC: access denied",
        })
    }

    /// What a caller by gRPC gets instead of status and body, in an answer of
    /// trailers alone: `grpc-status`, as gRPC maps HTTP's statuses, and
    /// `grpc-message`, percent-encoded (gRPC over HTTP/2, "Responses").
    pub fn grpc(&self) -> (u8, String) {
        let code = match self.status().as_u16() {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        };
        let message = utf8_percent_encode(&self.body(), NOT_IN_MESSAGE).to_string();
        (code, message)
    }

    /// Whether `WWW-Authenticate` goes with it, and with `error="invalid_token"`.
    pub fn challenge(&self) -> Option<Challenge> {
        match self {
            Reason::TokenMissing => Some(Challenge::Realm),
            Reason::Token(_)
            | Reason::KeysUnavailable { .. }
            | Reason::IssuersDiffer
            | Reason::SubjectsDiffer
            | Reason::ClaimNotHeader => Some(Challenge::InvalidToken),
            _ => None,
        }
    }
}

/// Printable ASCII stays, but for `%`.
const NOT_IN_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// What `WWW-Authenticate` carries (RFC 6750 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// `Bearer realm="…"`: no token was given.
    Realm,
    /// `Bearer realm="…", error="invalid_token"`.
    InvalidToken,
}
