//! Readers of what requests are described by: headers, addresses, certificates, moments.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_config::diagnostic::{Diagnostic, Diagnostics};
use countersign_config::read::{Fields, any_string, invalid, list, string};
use countersign_config::yaml::{Node, Typed, Value};
use countersign_core::Identity;

use super::expect::Headers;

/// Headers as a mapping of names to a text, a list of texts, or null for none.
pub(super) fn expected_headers(node: &Node, diags: &mut Diagnostics) -> Option<Headers> {
    let Value::Mapping(entries) = &node.value else {
        return wrong(
            node,
            "expected a mapping of names to values",
            HEADERS,
            diags,
        );
    };
    let entries = entries.iter().filter_map(|(key, value)| {
        let values = match &value.value {
            _ if value.is_null() => Vec::new(),
            Value::Sequence(_) => list(any_string)(value, diags)?,
            _ => vec![any_string(value, diags)?],
        };
        Some((Arc::clone(&key.text), values))
    });
    Some(entries.collect())
}

/// Headers of a request: the same mapping, or a list of pairs where their order counts. What they hold may be a secret.
pub(super) fn headers(node: &Node, diags: &mut Diagnostics) -> Option<Vec<(String, String)>> {
    diags.withhold(node.span);
    let Value::Sequence(items) = &node.value else {
        let named = expected_headers(node, diags)?;
        let pairs = named.iter().flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| (name.to_string(), value.to_string()))
        });
        return Some(pairs.collect());
    };
    let pairs = items.iter().filter_map(|item| {
        let pair = list(any_string)(item, diags)?;
        match pair.as_slice() {
            [name, value] => Some((name.to_string(), value.to_string())),
            _ => wrong(item, "expected a name and a value", HEADERS, diags),
        }
    });
    Some(pairs.collect())
}

const HEADERS: &str =
    "write such as `accept: text/html`, or a list of pairs such as `[accept, text/html]`";

pub(super) fn address(node: &Node, diags: &mut Diagnostics) -> Option<IpAddr> {
    let text = string(node, diags)?;
    let address = text.parse().ok();
    if address.is_none() {
        invalid(
            node,
            "is not an IP address",
            "write such as `203.0.113.7`",
            diags,
        );
    }
    address
}

/// SNI and the names in a client certificate that verified.
pub(super) fn tls(
    node: &Node,
    diags: &mut Diagnostics,
) -> Option<(Option<Arc<str>>, Option<Identity>)> {
    let mut fields = Fields::of(node, "request.tls", diags)?;
    let sni = fields.optional("sni", string);
    let shown = ["uriSans", "dnsSans", "subject"]
        .iter()
        .any(|name| fields.has(name));
    let texts = |list: Vec<Arc<str>>| list.iter().map(|it| Box::from(&**it)).collect();
    let identity = Identity {
        uris: texts(fields.list("uriSans", string)),
        dns: texts(fields.list("dnsSans", string)),
        subject: fields
            .optional("subject", string)
            .map_or("".into(), |it| Box::from(&*it)),
        digest: "".into(),
    };
    Some((sni, shown.then_some(identity)))
}

/// A JSON object, written as a mapping or as a text.
pub(super) fn claims(node: &Node, diags: &mut Diagnostics) -> Option<String> {
    diags.withhold(node.span);
    match &node.value {
        Value::Mapping(_) => {
            let mut out = String::new();
            json(node, &mut out);
            Some(out)
        }
        _ => Some(string(node, diags)?.to_string()),
    }
}

/// A node as JSON, scalars by their types.
fn json(node: &Node, out: &mut String) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match &node.value {
        Value::Mapping(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&quoted(&key.text));
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
        Value::Sequence(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                json(item, out);
            }
            out.push(']');
        }
        Value::Broken(_) => out.push_str("null"),
        Value::Scalar(scalar) => match scalar.typed() {
            Typed::Null => out.push_str("null"),
            Typed::Bool(truth) => out.push_str(if truth { "true" } else { "false" }),
            // Cannot fail: it goes to a text.
            Typed::Int(number) => {
                let _infallible = write!(out, "{number}");
            }
            Typed::Float(number) if number.is_finite() => {
                out.push_str(&serde_json::Value::from(number).to_string());
            }
            Typed::Float(_) | Typed::String => out.push_str(&quoted(&scalar.text)),
        },
    }
}

pub(super) fn wrong<T>(
    node: &Node,
    message: &str,
    help: &str,
    diags: &mut Diagnostics,
) -> Option<T> {
    let message = format!("{message}, found {}", node.describe());
    diags.push(
        Diagnostic::error("wrong-type", message)
            .at(node.span)
            .help(help),
    );
    None
}
