//! What of a document must never be shown: values under keys that hold secrets, and values that look like one.
//!
//! No reader has to remember this: it is done with every document before anything of it is read.

use super::node::{Key, Node, Value};
use crate::diagnostic::{Diagnostics, looks_secret};

/// Names of fields that hold secrets, or may. Compared in lower case, without `-` and `_`.
pub(crate) const NAMES: &[&str] = &[
    "accesstoken",
    "data",
    "inline",
    "jwks",
    "k",
    "key",
    "refreshtoken",
    "stringdata",
    "token",
    "value",
];

/// How names of such fields end.
const ENDINGS: &[&str] = &[
    "apikey",
    "credentials",
    // What `kubectl apply` leaves behind: the whole object.
    "lastappliedconfiguration",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
];

/// What a value stands under, as far as it matters for who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Open,
    /// Where `value` and `key` are what something is compared with.
    Conditions,
    /// Where `key` says what is compared.
    When,
    /// `jwks`, which holds keys or says where they are.
    Keys,
    /// Headers to set or add, of which only the names are everybody's.
    Headers,
    Hidden,
}

impl Place {
    /// The place below a key.
    pub(super) fn under(self, key: &str) -> Place {
        let name = folded(key);
        match (self, name.as_str()) {
            (Place::Hidden, _) => Place::Hidden,
            (Place::Keys, "remote" | "configmapref" | "refuseprivateaddresses") => Place::Open,
            (Place::Keys, "local") => Place::Keys,
            (Place::Keys, _) => Place::Hidden,
            (Place::Headers, "name" | "set" | "add" | "remove") => Place::Headers,
            (Place::Headers, _) => Place::Hidden,
            (_, "jwks") => Place::Keys,
            (Place::Conditions, "value" | "key") => Place::Conditions,
            (Place::When, "key") => Place::When,
            (_, name) if is_secret(name) => Place::Hidden,
            (_, "matches" | "path" | "addresses" | "matchexpressions") => Place::Conditions,
            (_, "when") => Place::When,
            (_, "requestheadermodifier" | "responseheadermodifier" | "set" | "add") => {
                Place::Headers
            }
            (_, "filters") => Place::Open,
            (place, _) => place,
        }
    }

    /// Whether a scalar that stands here is kept from view.
    pub(super) fn hides(self) -> bool {
        matches!(self, Place::Keys | Place::Hidden)
    }
}

/// Withholds what must not be shown of a document.
pub(super) fn withhold(root: &Node, diags: &mut Diagnostics) {
    let Value::Mapping(entries) = &root.value else {
        return walk(root, Place::Open, diags);
    };
    let kind = root.child("kind").and_then(Node::text);
    for (key, node) in entries {
        match (kind, &*key.text) {
            (_, "apiVersion" | "kind") => {}
            (_, "items") => items(node, diags),
            (Some("Secret"), _) => of_secret(key, node, diags),
            (Some("ConfigMap"), "data") => walk(node, Place::Open, diags),
            (_, name) => walk(node, Place::Open.under(name), diags),
        }
    }
}

/// A field of a Secret. What is not where it belongs may be part of a text that it holds.
fn of_secret(key: &Key, node: &Node, diags: &mut Diagnostics) {
    match (&*key.text, &node.value) {
        ("type" | "immutable", Value::Scalar(_)) => return,
        ("metadata", Value::Mapping(entries)) => {
            // Annotations may repeat all that is in it.
            let open = |key: &Key| matches!(&*key.text, "name" | "namespace");
            let rest = entries.iter().filter(|(key, _)| !open(key));
            return rest.for_each(|(_, node)| walk(node, Place::Hidden, diags));
        }
        ("data" | "stringData", _) => {}
        _ => diags.withhold(key.span),
    }
    diags.withhold(node.span);
    walk(node, Place::Hidden, diags);
}

/// Objects of a list.
fn items(node: &Node, diags: &mut Diagnostics) {
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|it| withhold(it, diags)),
        _ => walk(node, Place::Open, diags),
    }
}

fn walk(node: &Node, place: Place, diags: &mut Diagnostics) {
    match &node.value {
        Value::Scalar(scalar) => {
            if place.hides() || looks_secret(&scalar.text) {
                diags.withhold(node.span);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|it| walk(it, place, diags)),
        Value::Mapping(entries) => {
            // A JSON Web Key, written as YAML.
            let key = entries.iter().any(|(key, _)| &*key.text == "kty");
            let place = if key { Place::Hidden } else { place };
            for (key, node) in entries {
                if looks_secret(&key.text) {
                    diags.withhold(key.span);
                }
                walk(node, place.under(&key.text), diags);
            }
        }
        Value::Broken(_) => {}
    }
}

/// Whether this is the name of a field that may hold a secret; of a folded name.
fn is_secret(name: &str) -> bool {
    NAMES.contains(&name) || ENDINGS.iter().any(|it| name.ends_with(it))
}

/// A name without what people write differently.
pub(crate) fn folded(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.flat_map(char::to_lowercase).collect()
}
