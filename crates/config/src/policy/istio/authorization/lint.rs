//! Values that are legal and cannot mean what their author meant (the reference's section 9): told where that is certain.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::authz::{HeaderField, RequestPrincipal, Text};
use countersign_core::path::{self, Normalization};
use ipnet::IpNet;

use super::attribute::Attribute;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::policy::absent::absent;
use crate::read::Spanned;
use crate::yaml::{Node, Value};

/// A text with a wildcard at one end.
pub(super) fn text(attribute: &Attribute, node: &Node, text: &Text, diags: &mut Diagnostics) {
    let (start, rest) = match text {
        Text::Present => return,
        Text::Exact(it) | Text::Prefix(it) => (true, &**it),
        Text::Suffix(it) => (false, &**it),
    };
    match attribute {
        Attribute::Path => path_text(node, start, rest, diags),
        Attribute::Host if rest.contains('/') => {
            let help =
                "write the host alone, as in `shop.example.com`, with its port if clients send one";
            never(node, "a host has no scheme and no path", help, diags);
        }
        Attribute::Method => method(node, rest, diags),
        Attribute::Sni if rest.bytes().any(|it| it.is_ascii_uppercase()) => {
            let help = "write it in lower case";
            never(node, "server names are compared in lower case", help, diags);
        }
        Attribute::Claim(_) => claim(node, text, diags),
        _ => {}
    }
    literal_star(attribute, node, rest, diags);
}

fn path_text(node: &Node, start: bool, rest: &str, diags: &mut Diagnostics) {
    if rest.contains(['?', '#']) {
        let help = "leave the query out: it is no part of the path, and any query matches";
        never(node, "paths are compared without the query", help, diags);
    } else if start && !rest.starts_with('/') {
        never(node, "a path begins with `/`", "write the slash", diags);
    }
}

/// A whole path that is not as requests have theirs by then.
pub(super) fn normal(node: &Node, text: &Text, mode: Normalization, diags: &mut Diagnostics) {
    let Text::Exact(path) = text else { return };
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return;
    }
    let why = "paths are made normal first";
    match path::normalize(path, mode) {
        Ok(normal) if *normal == **path => {}
        Ok(normal) => never(node, why, &format!("write {}", quoted(&normal)), diags),
        Err(_) => never(
            node,
            "requests with such a path are refused",
            "remove it",
            diags,
        ),
    }
}

fn method(node: &Node, rest: &str, diags: &mut Diagnostics) {
    if rest.bytes().any(|it| it.is_ascii_lowercase()) {
        let message = "methods are compared with their case, and clients send them in capitals";
        let help = format!("write {}", quoted(&rest.to_ascii_uppercase()));
        never(node, message, &help, diags);
    }
}

/// Texts that look like another type: claims of that type never match.
fn claim(node: &Node, text: &Text, diags: &mut Diagnostics) {
    let Text::Exact(value) = text else { return };
    let kind = match &**value {
        "true" | "false" => "boolean",
        number if is_number(number) => "number",
        _ => return,
    };
    let message = format!(
        "only the text {} matches here, never a {kind}: claims of another type are not compared",
        quoted(value)
    );
    let told = match kind {
        "boolean" => Diagnostic::warning("claim-not-text", message),
        // Texts of digits are common: account numbers, for one.
        _ => Diagnostic::note("claim-not-text", message),
    };
    let help = format!("let the issuer write the claim as a text, if it is a {kind}");
    diags.push(told.at(node.span).help(help));
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|it: char| it.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

fn literal_star(attribute: &Attribute, node: &Node, rest: &str, diags: &mut Diagnostics) {
    if !rest.contains('*') {
        return;
    }
    let value = match attribute {
        Attribute::Header(_) => "this value".to_owned(),
        _ => quoted(node.text().unwrap_or_default()),
    };
    let message = format!(
        "a `*` in {value} is an ordinary character: only the first or the last character stands for more"
    );
    let help = match attribute {
        Attribute::Path => "write `{*}` for one segment of a path, `{**}` at its end for the rest",
        _ => "list the values, or keep one `*` at one end",
    };
    let warning = Diagnostic::warning("literal-star", message).at(node.span);
    diags.push(warning.help(help));
}

/// An issuer that ends inside of its scheme, or a second star.
pub(super) fn request_principal(
    node: &Node,
    value: &str,
    principal: &RequestPrincipal,
    diags: &mut Diagnostics,
) {
    let cut = |it: &Text| matches!(it, Text::Exact(it) if matches!(&**it, "https:/" | "http:/"));
    if cut(&principal.issuer) {
        let message = "it is split at its last `/`, into an issuer `https:/` and a subject";
        let help = match value.trim_end_matches(['*', '/']) {
            "https:" | "http:" => "write `*` for every issuer and subject".to_owned(),
            issuer => {
                let all = quoted(&format!("{issuer}/*"));
                format!("write {all} for every subject of that issuer")
            }
        };
        never(node, message, &help, diags);
        return;
    }
    for part in [&principal.issuer, &principal.subject] {
        let (Text::Exact(it) | Text::Prefix(it) | Text::Suffix(it)) = part else {
            continue;
        };
        literal_star(&Attribute::RequestPrincipal, node, it, diags);
    }
}

/// Bits beyond the prefix, and addresses that no peer has.
pub(super) fn network(node: &Node, network: IpNet, diags: &mut Diagnostics) {
    let mapped = match network.addr() {
        IpAddr::V6(it) => it.to_ipv4_mapped().filter(|_| network.prefix_len() >= 96),
        IpAddr::V4(_) => None,
    };
    if let Some(mapped) = mapped {
        let help = format!("write `{mapped}/{}`", network.prefix_len() - 96);
        let message = "an IPv4 address is never compared as an IPv6 one";
        never(node, message, &help, diags);
    } else if network.addr() != network.network() {
        let message = format!(
            "{} has bits set beyond its prefix: all of {} is meant",
            quoted(node.text().unwrap_or_default()),
            quoted(&network.trunc().to_string())
        );
        let warning = Diagnostic::warning("host-bits", message).at(node.span);
        let alone = quoted(&network.addr().to_string());
        diags.push(warning.help(format!("write the network, or {alone} for one address")));
    }
}

/// `spiffe://` in front of a principal.
pub(super) fn spiffe(node: &Node, bare: &str, diags: &mut Diagnostics) {
    let message = "Istio writes principals without `spiffe://`, and never matches them with it";
    let warning = Diagnostic::warning("spiffe-prefix", message).at(node.span);
    diags.push(warning.help(format!("write {}", quoted(bare))));
}

/// A condition on metadata of Envoy's filters.
pub(super) fn metadata(node: &Node, diags: &mut Diagnostics) {
    let message =
        "no filter of Envoy sets metadata here: `values` never match, `notValues` always do";
    let warning = Diagnostic::warning("never-matches", message).at(node.span);
    diags.push(warning.help("remove the condition, or use a header or a claim"));
}

/// A condition on a header that is not there when policies look.
pub(super) fn absent_header<'n>(
    key: &Spanned<Arc<str>>,
    attribute: &Attribute,
    lists: impl Iterator<Item = &'n Node>,
    diags: &mut Diagnostics,
) {
    let Attribute::Header(HeaderField::Named(name)) = attribute else {
        return;
    };
    let Some(absent) = absent(name.as_str()) else {
        return;
    };
    let fits = |only: &str| {
        let values = lists.flat_map(|it| match &it.value {
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(it),
        });
        let mut texts = values.filter_map(Node::text).map(Text::parse);
        texts.any(|it| it.matches(only))
    };
    if absent.only.is_some_and(fits) {
        return;
    }
    let message = format!(
        "{} is taken off before policies look: {}; `values` never match, `notValues` always do",
        quoted(key),
        absent.why
    );
    let warning = Diagnostic::warning("never-matches", message).at(key.span);
    diags.push(warning.help(absent.help));
}

fn never(node: &Node, why: &str, help: &str, diags: &mut Diagnostics) {
    let value = quoted(node.text().unwrap_or_default());
    let message = format!("{value} never matches: {why}");
    let warning = Diagnostic::warning("never-matches", message).at(node.span);
    diags.push(warning.help(help));
}
