//! The `CORS` filter.

use countersign_core::filter::{Cors, OriginPattern};
use http::{HeaderName, HeaderValue, Method};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{
    Fields, Spanned, boolean, choice, header_name, int_in, list_in, parsed, spanned,
};
use crate::yaml::Node;

/// What the API puts in for `maxAge`, in seconds.
const MAX_AGE: u32 = 5;

/// `*`, or one value.
#[derive(Clone, PartialEq, Eq)]
enum OrAny<T> {
    Any,
    One(T),
}

pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<Cors> {
    let mut fields = Fields::of(node, "cors", diags)?;
    let origins = fields.optional("allowOrigins", list_in(0..=64, spanned(origin)));
    let methods = fields.optional("allowMethods", list_in(0..=9, spanned(method)));
    let headers = fields.optional("allowHeaders", list_in(0..=64, spanned(header)));
    let exposed = fields.optional("exposeHeaders", list_in(0..=64, spanned(header)));
    let credentials = fields.optional("allowCredentials", boolean);
    let max_age = fields.optional("maxAge", int_in(1..=i32::MAX.unsigned_abs()));
    let (any_origin, origins) = split(origins, fields.diags());
    let (any_method, methods) = split(methods, fields.diags());
    let (any_header, headers) = split(headers, fields.diags());
    let (any_exposed, exposed) = split(exposed, fields.diags());
    let origins = if any_origin {
        vec![OriginPattern::Any]
    } else {
        origins
    };
    Some(Cors {
        allow_origins: origins.into(),
        allow_credentials: credentials.unwrap_or(false),
        allow_methods: methods.into(),
        any_method,
        allow_headers: headers.into(),
        any_header,
        expose_headers: exposed_value(any_exposed, &exposed),
        max_age: max_age.unwrap_or(MAX_AGE),
    })
}

fn exposed_value(any: bool, names: &[HeaderName]) -> Option<HeaderValue> {
    if any {
        return Some(HeaderValue::from_static("*"));
    }
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    // Names are tokens, so their list is a valid value.
    HeaderValue::from_str(&names.join(", "))
        .ok()
        .filter(|it| !it.is_empty())
}

/// `*` stands alone.
fn split<T>(items: Option<Vec<Spanned<OrAny<T>>>>, diags: &mut Diagnostics) -> (bool, Vec<T>) {
    let items = items.unwrap_or_default();
    let any = items
        .iter()
        .find(|it| matches!(it.value, OrAny::Any))
        .map(|it| it.span);
    let mut rest = Vec::new();
    for item in items {
        if let OrAny::One(value) = item.value {
            rest.push(value);
        }
    }
    if let Some(span) = any.filter(|_| !rest.is_empty()) {
        let error = Diagnostic::error("one-of", "`*` stands for all, and here is more").at(span);
        diags.push(error.help("keep `*` alone, or remove it"));
    }
    (any.is_some(), rest)
}

fn origin(node: &Node, diags: &mut Diagnostics) -> Option<OrAny<OriginPattern>> {
    let help = "write `https://app.example.com`, with a port if it is not the usual one; `https://*.example.com` for all \
                below it; or `*`";
    parsed(origin_pattern, "is not an origin", help)(node, diags)
}

fn origin_pattern(text: &str) -> Option<OrAny<OriginPattern>> {
    if text == "*" {
        return Some(OrAny::Any);
    }
    let (scheme, rest) = text.split_once("://")?;
    let (host, port) = rest
        .rsplit_once(':')
        .map_or((rest, None), |(host, port)| (host, Some(port)));
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let name = host.strip_prefix("*.").unwrap_or(host);
    let host_ok = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let port_ok = port.is_none_or(|it| it.parse::<u16>().is_ok_and(|it| it != 0));
    if !(scheme_ok && host_ok && port_ok) {
        return None;
    }
    Some(OrAny::One(match rest.strip_prefix('*') {
        Some(suffix) => OriginPattern::Wildcard {
            scheme: format!("{scheme}://").into(),
            suffix: suffix.into(),
        },
        None => OriginPattern::Exact(text.into()),
    }))
}

fn method(node: &Node, diags: &mut Diagnostics) -> Option<OrAny<Method>> {
    let words = [
        "*", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let words = words.map(|it| (it, it));
    let word = choice(&words)(node, diags)?;
    if word == "*" {
        return Some(OrAny::Any);
    }
    Method::try_from(word).ok().map(OrAny::One)
}

fn header(node: &Node, diags: &mut Diagnostics) -> Option<OrAny<HeaderName>> {
    if node.text() == Some("*") {
        return Some(OrAny::Any);
    }
    header_name(node, diags).map(OrAny::One)
}
