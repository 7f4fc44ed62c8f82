//! Secrets and ConfigMaps: found by name, their values read only when something refers to them.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::origin::Origin;

use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};
use crate::object::{Kind, Object, Objects};
use crate::read::{any_string, boolean, map, string};
use crate::source::Span;
use crate::yaml::Node;

/// All Secrets, or all ConfigMaps, of a load.
#[derive(Debug, Default)]
pub(crate) struct Data<'a> {
    by_name: HashMap<(Arc<str>, Arc<str>), DataObject<'a>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct DataObject<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) span: Span,
    reference: ObjectRef,
    secret: bool,
    data: Option<&'a Node>,
    text: Option<&'a Node>,
}

impl<'a> Data<'a> {
    /// Finds the objects of one of both kinds and checks their shape, not their values.
    pub(super) fn read(kind: Kind, objects: &'a Objects, diags: &mut Diagnostics) -> Data<'a> {
        let of_kind = objects.of(kind);
        let by_name = of_kind.map(|object| {
            let key = (Arc::clone(&object.namespace), Arc::clone(&object.name));
            (key, data_object(object, diags))
        });
        Data {
            by_name: by_name.collect(),
        }
    }

    pub(crate) fn find(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<&DataObject<'a>> {
        self.by_name.get(&(Arc::clone(namespace), Arc::clone(name)))
    }

    pub(crate) fn names<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = &'s str> {
        let here = self
            .by_name
            .keys()
            .filter(move |(it, _)| **it == *namespace);
        here.map(|(_, name)| &**name)
    }
}

fn data_object<'a>(object: &'a Object, diags: &mut Diagnostics) -> DataObject<'a> {
    let secret = object.kind == Kind::Secret;
    let mut fields = object.fields(diags);
    fields.optional("immutable", boolean);
    let shape = map(|_: &Node, _: &mut Diagnostics| Some(()));
    if secret {
        // Any type will do, if the keys are there.
        fields.optional("type", string);
        fields.optional("stringData", &shape);
    } else {
        fields.optional("binaryData", &shape);
    }
    fields.optional("data", &shape);
    DataObject {
        origin: &object.origin,
        span: object.name_span,
        reference: object.reference(),
        secret,
        data: fields.node("data"),
        text: if secret {
            fields.node("stringData")
        } else {
            None
        },
    }
}

impl DataObject<'_> {
    /// The text under a key. `None` where there is no such key, or where its value cannot be read, which is then reported.
    /// `stringData` comes before `data`, as the API server has it.
    pub(crate) fn text(&self, key: &str, diags: &mut Diagnostics) -> Option<Arc<str>> {
        let outer = diags.enter(Some(self.reference.clone()));
        let text = self.text.and_then(|node| node.child(key));
        let data = self.data.and_then(|node| node.child(key));
        let found = match (text, data) {
            (Some(node), _) => any_string(node, diags),
            (None, Some(node)) if self.secret => decoded(node, diags),
            (None, Some(node)) => any_string(node, diags),
            (None, None) => None,
        };
        diags.enter(outer);
        found
    }
}

/// `data` of a Secret: text in base64, which may be broken into lines.
fn decoded(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let encoded = any_string(node, diags)?;
    let compact: String = encoded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(compact).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    if text.is_none() {
        let error = Diagnostic::error("invalid-value", "this value is not text in base64");
        let help = "encode it with `base64 -w0`, or write it as it is under `stringData`";
        diags.push(error.at(node.span).help(help).private());
    }
    text.map(Into::into)
}
