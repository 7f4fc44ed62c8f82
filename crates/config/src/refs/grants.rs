//! ReferenceGrants: which references may cross namespaces.

use std::collections::HashMap;
use std::sync::Arc;

use super::reference::Referrer;
use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Object, Objects};
use crate::read::{Fields, any_string, dns_label, dns_subdomain, list_in, string};
use crate::yaml::Node;

/// All grants of a load, by the namespace that they open.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    by_target: HashMap<Arc<str>, Vec<Grant>>,
}

#[derive(Debug)]
struct Grant {
    from: Vec<Trusted>,
    to: Vec<Opened>,
}

#[derive(Debug)]
struct Trusted {
    group: Arc<str>,
    kind: Arc<str>,
    namespace: Arc<str>,
}

#[derive(Debug)]
struct Opened {
    group: Arc<str>,
    kind: Arc<str>,
    /// `None`: any of the kind.
    name: Option<Arc<str>>,
}

impl Grants {
    pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> Grants {
        let mut grants = Grants::default();
        for object in objects.of(Kind::ReferenceGrant) {
            if let Some(grant) = grant(object, diags) {
                let namespace = Arc::clone(&object.namespace);
                grants.by_target.entry(namespace).or_default().push(grant);
            }
        }
        grants
    }

    /// Whether `from` may refer to an object of another namespace. Within a namespace everybody may.
    pub(crate) fn allows(
        &self,
        from: Referrer<'_>,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> bool {
        if from.namespace == namespace {
            return true;
        }
        let trusted = |it: &Trusted| {
            *it.group == *from.group && *it.kind == *from.kind && *it.namespace == *from.namespace
        };
        let opened = |it: &Opened| {
            *it.group == *group
                && *it.kind == *kind
                && it.name.as_deref().is_none_or(|it| it == name)
        };
        let grants = self.by_target.get(namespace).map_or(&[][..], Vec::as_slice);
        grants
            .iter()
            .any(|grant| grant.from.iter().any(trusted) && grant.to.iter().any(opened))
    }
}

fn grant(object: &Object, diags: &mut Diagnostics) -> Option<Grant> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "ReferenceGrant.spec", diags)?;
        let from = fields.required("from", list_in(1..=16, from));
        let to = fields.required("to", list_in(1..=16, to));
        Some(Grant {
            from: from?,
            to: to?,
        })
    })
}

fn from(node: &Node, diags: &mut Diagnostics) -> Option<Trusted> {
    let mut fields = Fields::of(node, "ReferenceGrant.spec.from", diags)?;
    let group = fields.required("group", any_string);
    let kind = fields.required("kind", string);
    let namespace = fields.required("namespace", dns_label);
    Some(Trusted {
        group: group?,
        kind: kind?,
        namespace: namespace?,
    })
}

fn to(node: &Node, diags: &mut Diagnostics) -> Option<Opened> {
    let mut fields = Fields::of(node, "ReferenceGrant.spec.to", diags)?;
    let group = fields.required("group", any_string);
    let kind = fields.required("kind", string);
    // A name that was refused must not become "any".
    let named = fields.has("name");
    let name = fields.optional("name", dns_subdomain);
    if named && name.is_none() {
        return None;
    }
    Some(Opened {
        group: group?,
        kind: kind?,
        name,
    })
}
