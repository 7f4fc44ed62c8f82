//! Readers of names: DNS labels, hostnames, headers, ports.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderName;

use super::scalars::{int_in, parsed};
use crate::diagnostic::Diagnostics;
use crate::yaml::Node;

/// A port: 1 to 65535.
pub fn port(node: &Node, diags: &mut Diagnostics) -> Option<u16> {
    int_in(1..=u16::MAX)(node, diags)
}

/// A DNS label of RFC 1123 in lower case: names of namespaces and services.
pub fn dns_label(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let help =
        "use up to 63 of `a` to `z`, `0` to `9` and `-`, with a letter or digit at both ends";
    checked(node, is_label, "is not a DNS label", help, diags)
}

/// A DNS subdomain of RFC 1123 in lower case: names of most objects.
pub fn dns_subdomain(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let help =
        "use up to 253 of `a` to `z`, `0` to `9`, `-` and `.`, with a letter or digit at both ends";
    checked(node, is_subdomain, "is not a DNS name", help, diags)
}

/// A hostname of the Gateway API: a DNS name, no IP address; the first label may be `*`.
pub fn hostname(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let accept = |text: &str| is_hostname(text.strip_prefix("*.").unwrap_or(text));
    let help = "write a DNS name in lower case such as `shop.example.com`, or `*.example.com` for all below it; no port, no IP address";
    checked(node, accept, "is not a hostname", help, diags)
}

/// A hostname of the Gateway API without a wildcard.
pub fn precise_hostname(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let help = "write a DNS name in lower case such as `shop.example.com`; no wildcard, no port, no IP address";
    checked(node, is_hostname, "is not a hostname", help, diags)
}

/// The name of an HTTP header, a token of RFC 9110 section 5.6.2, in lower case whatever was written.
pub fn header_name(node: &Node, diags: &mut Diagnostics) -> Option<HeaderName> {
    const LONGEST: usize = 256;
    let parse = |text: &str| {
        HeaderName::from_bytes(text.as_bytes())
            .ok()
            .filter(|_| text.len() <= LONGEST)
    };
    let help = "use letters, digits and `-`; no colon and no spaces";
    parsed(parse, "is not a header name", help)(node, diags)
}

/// The text itself, if it is of the grammar.
fn checked(
    node: &Node,
    accept: impl Fn(&str) -> bool,
    problem: &'static str,
    help: &'static str,
    diags: &mut Diagnostics,
) -> Option<Arc<str>> {
    parsed(|text| accept(text).then(|| Arc::from(text)), problem, help)(node, diags)
}

fn is_hostname(text: &str) -> bool {
    is_subdomain(text) && text.parse::<IpAddr>().is_err()
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
