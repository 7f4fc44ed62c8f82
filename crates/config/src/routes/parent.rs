//! `parentRefs`: where a route asks to be attached.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::read::{Fields, any_string, dns_label, dns_subdomain, port, spanned, string};
use crate::source::Span;
use crate::yaml::Node;

/// A parent as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParentRef {
    pub(super) group: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) section: Option<Arc<str>>,
    pub(super) port: Option<u16>,
    /// Where the name stands.
    pub(super) span: Span,
}

pub(super) const GROUP: &str = "gateway.networking.k8s.io";

impl ParentRef {
    pub(super) fn is_gateway(&self) -> bool {
        (&*self.group, &*self.kind) == (GROUP, "Gateway")
    }

    fn same_parent(&self, other: &ParentRef) -> bool {
        (&self.group, &self.kind, &self.namespace, &self.name)
            == (&other.group, &other.kind, &other.namespace, &other.name)
    }
}

pub(super) fn read(
    node: &Node,
    namespace: &Arc<str>,
    diags: &mut Diagnostics,
) -> Option<ParentRef> {
    let mut fields = Fields::of(node, "parentRefs", diags)?;
    let group = fields.optional("group", any_string);
    let kind = fields.optional("kind", string);
    let own = fields.optional("namespace", dns_label);
    let name = fields.required("name", spanned(dns_subdomain));
    let section = fields.optional("sectionName", dns_subdomain);
    let number = fields.optional("port", port);
    // A restriction that was refused must not become none.
    let lost = |name, found: bool| fields.has(name) && !found;
    if lost("sectionName", section.is_some())
        || lost("port", number.is_some())
        || lost("namespace", own.is_some())
    {
        return None;
    }
    let name = name?;
    Some(ParentRef {
        group: group.unwrap_or_else(|| GROUP.into()),
        kind: kind.unwrap_or_else(|| "Gateway".into()),
        namespace: own.unwrap_or_else(|| Arc::clone(namespace)),
        span: name.span,
        name: name.value,
        section,
        port: number,
    })
}

/// Several references to one parent must each name another part of it, as the CRD has it.
pub(super) fn check(parents: &[ParentRef], diags: &mut Diagnostics) {
    for (index, parent) in parents.iter().enumerate() {
        let twin = parents.iter().take(index).find(|it| {
            let parts = (it.section.is_some(), it.port.is_some());
            let same = it.section == parent.section && it.port == parent.port;
            it.same_parent(parent)
                && (same || parts != (parent.section.is_some(), parent.port.is_some()))
        });
        let Some(twin) = twin else { continue };
        let message = format!("{} is referred to twice", quoted(&parent.name));
        let error = Diagnostic::error("duplicate-entry", message).at(parent.span);
        let error = error.related(twin.span, "the first time");
        let help = "tell the references apart by `sectionName` or by `port`, or remove one";
        diags.push(error.help(help));
    }
}
