//! GatewayClasses. Any controller's will do: whatever is loaded is served.

use std::collections::HashMap;
use std::sync::Arc;

use super::parameters::{ParametersRef, Stores};
use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Object, Objects};
use crate::read::{Fields, any_string, dns_label, dns_subdomain, spanned, string};
use crate::yaml::Node;

/// Parameters of each class that has some.
#[derive(Debug, Default)]
pub(super) struct Classes {
    parameters: HashMap<Arc<str>, ParametersRef>,
}

impl Classes {
    /// Reads all classes; parameters that are not there are an error, used or not.
    pub(super) fn read(objects: &Objects, stores: &Stores, diags: &mut Diagnostics) -> Classes {
        let mut classes = Classes::default();
        for object in objects.of(Kind::GatewayClass) {
            let Some(reference) = class(object, diags) else {
                continue;
            };
            let outer = diags.enter(Some(object.reference()));
            if stores.find(&reference, diags).is_some() {
                classes
                    .parameters
                    .insert(Arc::clone(&object.name), reference);
            }
            diags.enter(outer);
        }
        classes
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &ParametersRef> {
        self.parameters.values()
    }

    pub(super) fn parameters(&self, class: &str) -> Option<&ParametersRef> {
        self.parameters.get(class)
    }
}

fn class(object: &Object, diags: &mut Diagnostics) -> Option<ParametersRef> {
    let reference = object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "GatewayClass.spec", diags)?;
        fields.required("controllerName", string);
        fields.optional("description", any_string);
        Some(fields.optional("parametersRef", parameters_ref))
    });
    reference.flatten()
}

/// Classes lie in no namespace, so the reference must say which.
fn parameters_ref(node: &Node, diags: &mut Diagnostics) -> Option<ParametersRef> {
    let mut fields = Fields::of(node, "GatewayClass.spec.parametersRef", diags)?;
    let group = fields.required("group", any_string);
    let kind = fields.required("kind", string);
    let namespace = fields.required("namespace", dns_label);
    let name = fields.required("name", spanned(dns_subdomain))?;
    Some(ParametersRef {
        group: group?,
        kind: kind?,
        namespace: namespace?,
        span: name.span,
        name: name.value,
    })
}
