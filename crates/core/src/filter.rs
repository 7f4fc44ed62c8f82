//! Filters of route rules: data, and their pure application to requests and answers.

mod apply;
mod cors;

#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::id::BackendId;

/// All filters of a rule or a backend reference.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// `RequestHeaderModifier`.
    pub request_headers: HeaderEdits,
    /// `ResponseHeaderModifier`.
    pub response_headers: HeaderEdits,
    /// `RequestRedirect`.
    pub redirect: Option<Redirect>,
    /// `URLRewrite`.
    pub rewrite: Option<Rewrite>,
    /// `RequestMirror`, any number.
    pub mirrors: Box<[Mirror]>,
    /// `CORS`.
    pub cors: Option<Cors>,
}

/// `HTTPHeaderFilter`: applied as set, then add, then remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Replaces every value.
    pub set: Box<[(HeaderName, HeaderValue)]>,
    /// Adds a value.
    pub add: Box<[(HeaderName, HeaderValue)]>,
    /// Removes every value.
    pub remove: Box<[HeaderName]>,
}

/// `HTTPRequestRedirectFilter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`; `None`: the request's.
    pub scheme: Option<&'static str>,
    /// `None`: the request's host.
    pub host: Option<Box<str>>,
    /// `None`: the default port of a stated scheme, else the listener's.
    pub port: Option<u16>,
    /// `None`: the request's path.
    pub path: Option<PathEdit>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// `HTTPURLRewriteFilter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// New `Host`.
    pub host: Option<Box<str>>,
    /// New path.
    pub path: Option<PathEdit>,
}

/// `HTTPPathModifier`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEdit {
    /// `ReplaceFullPath`; the query stays.
    Full(Box<str>),
    /// `ReplacePrefixMatch`: the matched prefix, kept here, becomes `to`.
    Prefix {
        /// The rule's prefix, without trailing slash.
        from: Box<str>,
        /// Its replacement.
        to: Box<str>,
    },
}

/// `HTTPRequestMirrorFilter`. A mirror never gets a credential (decision P14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where copies go; `None` where the reference did not resolve.
    pub backend: Option<BackendId>,
    /// Share of the requests: `numerator` of `denominator`.
    pub numerator: u32,
    /// See `numerator`; never 0.
    pub denominator: u32,
}

/// `HTTPCORSFilter`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins that may read answers.
    pub allow_origins: Box<[OriginPattern]>,
    /// `allowCredentials`.
    pub allow_credentials: bool,
    /// `allowMethods`; `any_method` for `*`.
    pub allow_methods: Box<[Method]>,
    /// `*` in `allowMethods`.
    pub any_method: bool,
    /// `allowHeaders`; `any_header` for `*`.
    pub allow_headers: Box<[HeaderName]>,
    /// `*` in `allowHeaders`.
    pub any_header: bool,
    /// `exposeHeaders`, joined; `*` as written.
    pub expose_headers: Option<HeaderValue>,
    /// `maxAge`, seconds; the API's default is 5.
    pub max_age: u32,
}

/// An entry of `allowOrigins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`
    Any,
    /// `https://app.example.com`, compared whole.
    Exact(Box<str>),
    /// `https://*.example.com`: scheme with `://`, then suffix with its dot (and port).
    Wildcard {
        /// `https://`
        scheme: Box<str>,
        /// `.example.com`
        suffix: Box<str>,
    },
}
