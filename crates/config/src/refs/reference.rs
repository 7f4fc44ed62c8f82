//! References from one object to another, as they are written.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::read::{Fields, Spanned, any_string, dns_label, dns_subdomain, port, spanned, string};
use crate::source::Span;
use crate::yaml::Node;

/// Who refers to something: decides which ReferenceGrants let it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Referrer<'a> {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespace: &'a str,
}

/// A Gateway API `BackendObjectReference`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BackendRef {
    /// Empty for the core group.
    pub(crate) group: Arc<str>,
    pub(crate) kind: Arc<str>,
    /// `None`: that of the object which refers.
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) name: Arc<str>,
    pub(crate) port: Option<u16>,
}

impl BackendRef {
    /// Reads the fields of a reference out of a mapping that may have more. Its place is that of the name.
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Spanned<BackendRef>> {
        let group = fields.optional("group", any_string).unwrap_or_default();
        let kind = fields
            .optional("kind", string)
            .unwrap_or_else(|| "Service".into());
        let name = fields.required("name", spanned(dns_subdomain));
        let namespace = fields.optional("namespace", dns_label);
        let given = fields.has("port");
        let port = fields.optional("port", port);
        let name = name?;
        if group.is_empty() && &*kind == "Service" && !given {
            let message = "a reference to a Service needs a `port`";
            let error = Diagnostic::error("missing-field", message).at(name.span);
            fields
                .diags()
                .push(error.help("add `port:` with one of the ports of the Service"));
            return None;
        }
        Some(Spanned {
            span: name.span,
            value: BackendRef {
                group,
                kind,
                namespace,
                name: name.value,
                port,
            },
        })
    }

    /// Reads a mapping that is such a reference and nothing else.
    pub(crate) fn of(
        node: &Node,
        at: &'static str,
        diags: &mut Diagnostics,
    ) -> Option<Spanned<BackendRef>> {
        BackendRef::read(&mut Fields::of(node, at, diags)?)
    }
}

/// A reference to an object that holds data: a Gateway API `SecretObjectReference` or the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataRefSpec {
    pub(crate) group: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) name: Arc<str>,
    /// Where the name stands.
    pub(crate) span: Span,
}

impl DataRefSpec {
    /// A reference to a Secret by default, perhaps in another namespace.
    pub(crate) fn secret(node: &Node, diags: &mut Diagnostics) -> Option<DataRefSpec> {
        let mut fields = Fields::of(node, "certificateRefs", diags)?;
        let group = fields.optional("group", any_string).unwrap_or_default();
        let kind = fields
            .optional("kind", string)
            .unwrap_or_else(|| "Secret".into());
        let namespace = fields.optional("namespace", dns_label);
        let name = fields.required("name", spanned(dns_subdomain))?;
        Some(DataRefSpec {
            group,
            kind,
            namespace,
            span: name.span,
            name: name.value,
        })
    }

    /// A reference that states group and kind and stays in its namespace.
    pub(crate) fn local(
        node: &Node,
        at: &'static str,
        diags: &mut Diagnostics,
    ) -> Option<DataRefSpec> {
        let mut fields = Fields::of(node, at, diags)?;
        let group = fields.required("group", any_string);
        let kind = fields.required("kind", string);
        let name = fields.required("name", spanned(dns_subdomain))?;
        Some(DataRefSpec {
            group: group?,
            kind: kind?,
            namespace: None,
            span: name.span,
            name: name.value,
        })
    }

    /// A reference that states group and kind, perhaps into another namespace.
    pub(crate) fn any(
        node: &Node,
        at: &'static str,
        diags: &mut Diagnostics,
    ) -> Option<DataRefSpec> {
        let mut fields = Fields::of(node, at, diags)?;
        let elsewhere = fields.has("namespace");
        let namespace = fields.optional("namespace", dns_label);
        let group = fields.required("group", any_string);
        let kind = fields.required("kind", string);
        let name = fields.required("name", spanned(dns_subdomain))?;
        // A namespace that was refused must not become our own.
        if elsewhere && namespace.is_none() {
            return None;
        }
        Some(DataRefSpec {
            group: group?,
            kind: kind?,
            namespace,
            span: name.span,
            name: name.value,
        })
    }

    /// As messages call its target's kind: `` `Secret` `` or `` `Widget` of `example.com` ``.
    pub(crate) fn describe(&self) -> String {
        described(&self.group, &self.kind)
    }
}

/// A kind with its group, where that is not the core group.
pub(crate) fn described(group: &str, kind: &str) -> String {
    if group.is_empty() {
        quoted(kind)
    } else {
        format!("{} of {}", quoted(kind), quoted(group))
    }
}
