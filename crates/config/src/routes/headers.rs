//! `RequestHeaderModifier` and `ResponseHeaderModifier`.

use countersign_core::filter::HeaderEdits;
use http::header::{HeaderName, HeaderValue};

use super::matches;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{Fields, Spanned, header_name, invalid, list_in, spanned, string_of};
use crate::source::Span;
use crate::yaml::Node;

/// Headers that say where a message ends or belong to one connection. Edited, they would take requests apart.
const OF_CONNECTIONS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// The edits, and the names that they set or add to.
pub(super) fn read(
    node: &Node,
    diags: &mut Diagnostics,
) -> Option<(HeaderEdits, Vec<Spanned<HeaderName>>)> {
    let mut fields = Fields::of(node, "header modifier", diags)?;
    let set = fields.optional("set", list_in(0..=16, header));
    let add = fields.optional("add", list_in(0..=16, header));
    let name = |node: &Node, diags: &mut Diagnostics| Some((editable(node, diags)?, (), node.span));
    let remove = fields.optional("remove", list_in(0..=16, name));
    let written = set.iter().chain(&add).flatten();
    let written = written.map(|(name, _, span)| Spanned {
        value: name.clone(),
        span: *span,
    });
    let written = written.collect();
    let set = matches::distinct(set.unwrap_or_default(), fields.diags());
    let add = matches::distinct(add.unwrap_or_default(), fields.diags());
    let remove = matches::distinct(remove.unwrap_or_default(), fields.diags());
    let edits = HeaderEdits {
        set: set.into(),
        add: add.into(),
        remove: remove.into_iter().map(|(name, ())| name).collect(),
    };
    Some((edits, written))
}

fn header(node: &Node, diags: &mut Diagnostics) -> Option<(HeaderName, HeaderValue, Span)> {
    let mut fields = Fields::of(node, "header", diags)?;
    let name = fields.required("name", spanned(editable));
    let value = fields.required("value", value);
    let name = name?;
    Some((name.value, value?, name.span))
}

fn editable(node: &Node, diags: &mut Diagnostics) -> Option<HeaderName> {
    let name = header_name(node, diags)?;
    if !OF_CONNECTIONS.contains(&name.as_str()) {
        return Some(name);
    }
    let help = if name == "host" {
        "use a `URLRewrite` filter with `hostname`"
    } else {
        "remove it: the gateway sets this header itself"
    };
    invalid(node, "cannot be changed by a filter", help, diags);
    None
}

/// Values may be credentials for a backend: no message shows them.
fn value(node: &Node, diags: &mut Diagnostics) -> Option<HeaderValue> {
    let text = string_of(1..=4096)(node, diags)?;
    let value = HeaderValue::from_str(&text).ok();
    if value.is_none() {
        let error = Diagnostic::error("invalid-value", "this value cannot stand in a header");
        let error = error.at(node.span).private();
        diags.push(error.help("use visible ASCII characters, spaces and tabs"));
    }
    value
}
