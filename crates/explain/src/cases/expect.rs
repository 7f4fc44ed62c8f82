//! What a case expects.

use std::sync::Arc;

/// What is expected; what is left out is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// Status that the client gets.
    pub status: Option<u16>,
    /// Code of the reason; `ok` where a backend gets the request.
    pub reason: Option<Arc<str>>,
    /// The rule that refused, such as `AuthorizationPolicy shop/deny rules[0]`, or the start of it.
    pub rule: Option<Arc<str>>,
    /// The route, such as `shop/orders/0`, or the start of it.
    pub route: Option<Arc<str>>,
    /// The backend.
    pub backend: Option<Arc<str>>,
    /// Body of the gateway's own answer.
    pub body: Option<Arc<str>>,
    /// `WWW-Authenticate`; `Some(None)`: there is none.
    pub challenge: Option<Option<Arc<str>>>,
    /// `Location`.
    pub location: Option<Arc<str>>,
    /// What a backend gets; `Some(None)`: none gets anything.
    pub upstream: Option<Option<Upstream>>,
}

/// What a backend is expected to get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Method.
    pub method: Option<Arc<str>>,
    /// Path and query.
    pub path: Option<Arc<str>>,
    /// Headers.
    pub headers: Headers,
}

/// Headers by name: their values, in order; none where the header must not be there.
pub type Headers = Vec<(Arc<str>, Vec<Arc<str>>)>;
