//! What Istio's and kgateway's token rules have in common: names of headers
//! that claims go to, claim paths, and URLs of key sets.

use std::sync::Arc;

use countersign_core::authn::ClaimHeader;
use countersign_jose::{Audiences, KeySet};
use http::{HeaderName, Uri};

use crate::diagnostic::{Diagnostic, Diagnostics, has_user_information};
use crate::read::{header_name, invalid, string_of};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// Headers that frame or route a request: a claim there would change more than
/// who is calling. `authorization` and `cookie` belong to the client.
const RESERVED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header that a claim may be copied to.
pub(super) fn output_header(node: &Node, diags: &mut Diagnostics) -> Option<HeaderName> {
    let name = header_name(node, diags)?;
    if RESERVED.contains(&name.as_str()) {
        let help = "choose a header of your own, such as `x-user-id`";
        invalid(node, "cannot be set from a claim", help, diags);
        return None;
    }
    Some(name)
}

/// A claim, with the steps of its path split at dots as Envoy does.
pub(super) fn claim_path(node: &Node, diags: &mut Diagnostics) -> Option<Box<[Box<str>]>> {
    let claim = string_of(1..=2048)(node, diags)?;
    if claim.split('.').any(str::is_empty) {
        let help = "write the claim's name, or a path such as `realm.name`";
        invalid(
            node,
            "is not a claim: there is an empty step between its dots",
            help,
            diags,
        );
        return None;
    }
    Some(claim.split('.').map(Into::into).collect())
}

/// Joins a header and a claim that were both good.
pub(super) fn claim_header(
    header: Option<HeaderName>,
    path: Option<Box<[Box<str>]>>,
) -> Option<ClaimHeader> {
    Some(ClaimHeader {
        header: header?,
        path: path?,
    })
}

/// Audiences that are compared byte for byte (RFC 7519 section 4.1.3).
pub(super) fn exact(listed: &[Arc<str>]) -> Audiences {
    match listed {
        [] => Audiences::Any,
        some => Audiences::exact(some.iter().map(|it| &**it)),
    }
}

/// An issuer; empty for none. Without user information, if it is a URL: it may be asked for its keys, and is logged.
pub(super) fn issuer(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let text = string_of(0..=2048)(node, diags)?;
    refuse_user_information(node, &text, diags)?;
    Some(text)
}

/// `None`, and an error that does not show it, where a URL holds a name or a password.
fn refuse_user_information(node: &Node, text: &str, diags: &mut Diagnostics) -> Option<()> {
    if !has_user_information(text) {
        return Some(());
    }
    let message = "no user information can stand in this URL: it would be logged";
    let error = Diagnostic::error("invalid-value", message).at(node.span);
    let help = "remove what stands before the `@`";
    diags.push(error.help(help).private());
    None
}

/// An `http` or `https` URL with a host, without user information.
pub(super) fn url(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let text = string_of(1..=2048)(node, diags)?;
    refuse_user_information(node, &text, diags)?;
    if is_url(&text) {
        return Some(text);
    }
    let help = "write a URL such as `https://idp.example.com/keys`";
    invalid(node, "is not an http or https URL with a host", help, diags);
    None
}

/// Never silent: a policy that says nothing (decision P4).
pub(super) fn without_effect(field: &str, at: Span) -> Diagnostic {
    let message = format!("this policy demands nothing: it has no {field}");
    Diagnostic::warning("policy-without-effect", message)
        .at(at)
        .help(format!("write {field}, or remove the policy"))
}

/// Says that `audiences` was written and left blank, which is no restriction at all. An empty list is refused elsewhere
/// where `list` is false.
pub(super) fn check_audiences(rule: &Node, list: bool, diags: &mut Diagnostics) {
    let Some(node) = rule.child("audiences") else {
        return;
    };
    if node.is_null() || (list && is_empty_list(node)) {
        let message = "tokens for any audience are accepted: `audiences` is blank";
        let warning = Diagnostic::warning("any-audience", message).at(node.span);
        let help = "list the audiences of this service, or remove the field if any will do";
        diags.push(warning.help(help));
    }
}

/// Whether this is an `http` or `https` URL with a host.
pub(super) fn is_url(text: &str) -> bool {
    let uri: Option<Uri> = text.parse().ok();
    uri.is_some_and(|uri| {
        let host = uri.authority().map(http::uri::Authority::host);
        matches!(uri.scheme_str(), Some("http" | "https")) && host.is_some_and(|it| !it.is_empty())
    })
}

/// Whether this is a list without items.
pub(super) fn is_empty_list(node: &Node) -> bool {
    matches!(&node.value, Value::Sequence(items) if items.is_empty())
}

/// The text of a scalar, wherever it was checked already.
pub(super) fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

/// Keys that were left out, and sets without any (decision T8).
pub(super) fn report_keys(node: &Node, set: &KeySet, diags: &mut Diagnostics) {
    for key in set.skipped() {
        let kid = key
            .kid
            .as_deref()
            .map(|kid| format!(" (kid `{kid}`)"))
            .unwrap_or_default();
        let message = format!("key {}{kid} cannot be used: {}", key.index, key.reason);
        let warning = Diagnostic::warning("key-skipped", message).at(node.span);
        diags.push(
            warning
                .help("tokens signed with it get 401; the other keys work")
                .private(),
        );
    }
    if set.is_empty() {
        let message = "this key set has no usable key, so every token of this issuer gets 401";
        let warning = Diagnostic::warning("no-usable-key", message).at(node.span);
        diags.push(
            warning
                .help("add a key of at least RSA 2048, P-256 or Ed25519")
                .private(),
        );
    }
}
