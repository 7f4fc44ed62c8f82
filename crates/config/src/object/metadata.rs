//! `metadata`, the same in every object.

use std::sync::Arc;

use super::{Kind, timestamp};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::read::{self, Fields, Spanned, dns_label, dns_subdomain, spanned};
use crate::source::Span;
use crate::yaml::Node;

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// What is read of it.
pub(super) struct Metadata {
    pub(super) name: Spanned<Arc<str>>,
    pub(super) namespace: Arc<str>,
    pub(super) labels: Vec<(Arc<str>, Arc<str>)>,
    pub(super) annotations: Vec<(Arc<str>, Arc<str>)>,
    pub(super) created: Option<i64>,
}

/// Reads `metadata` of an object of some kind.
pub(super) fn read(kind: Kind, node: &Node, diags: &mut Diagnostics) -> Option<Metadata> {
    let mut fields = Fields::of(node, "metadata", diags)?;
    let name = fields.required("name", spanned(dns_subdomain));
    let namespace = fields.optional("namespace", spanned(dns_label));
    let labels = fields.optional("labels", texts).unwrap_or_default();
    let annotations = fields.optional("annotations", texts).unwrap_or_default();
    let created = fields.optional("creationTimestamp", created);
    fields.unsupported(
        "generateName",
        "write a `name`: nothing here would make one up",
    );
    for name in FROM_CLUSTERS {
        fields.ignored(name);
    }
    let misplaced = namespace.as_ref().filter(|_| !kind.namespaced());
    if let Some(namespace) = misplaced {
        fields.diags().push(not_namespaced(kind, namespace.span));
    }
    fields.finish();
    let namespace = match namespace {
        _ if !kind.namespaced() => "".into(),
        Some(namespace) => namespace.value,
        None => DEFAULT_NAMESPACE.into(),
    };
    Some(Metadata {
        name: name?,
        namespace,
        labels,
        annotations,
        created,
    })
}

/// What the API server adds, and `kubectl get -o yaml` prints.
const FROM_CLUSTERS: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "selfLink",
    "deletionTimestamp",
];

fn not_namespaced(kind: Kind, span: Span) -> Diagnostic {
    let message = format!("a {} lies in no namespace", kind.name());
    Diagnostic::warning("not-namespaced", message)
        .at(span)
        .help("remove `namespace`")
}

fn texts(node: &Node, diags: &mut Diagnostics) -> Option<Vec<(Arc<str>, Arc<str>)>> {
    let entries = read::map(read::any_string)(node, diags)?;
    Some(
        entries
            .into_iter()
            .map(|(key, text)| (key.text, text))
            .collect(),
    )
}

fn created(node: &Node, diags: &mut Diagnostics) -> Option<i64> {
    let text = read::string(node, diags)?;
    let seconds = timestamp::seconds(&text);
    if seconds.is_none() {
        let message = format!("{} is not a timestamp", quoted(&text));
        let help = "write one as in `2024-05-01T12:00:00Z`, or leave it out";
        diags.push(
            Diagnostic::error("invalid-value", message)
                .at(node.span)
                .help(help),
        );
    }
    seconds
}
