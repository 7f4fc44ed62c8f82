//! What one of Istio's policies applies to: everything in its namespace, workloads with some labels, or objects by name.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{Fields, Spanned, any_string, invalid, list_in, map, spanned, string};
use crate::source::Span;
use crate::yaml::{Key, Node};

/// What a policy applies to.
#[derive(Debug)]
pub(super) enum Target {
    /// No selector and no target: everything in its namespace.
    Namespace,
    /// `selector.matchLabels`, where it has any.
    Labels(Vec<(Key, Arc<str>)>),
    /// `targetRef` or `targetRefs`.
    References(Vec<Spanned<TargetRef>>),
}

/// One target.
#[derive(Debug)]
pub(super) struct TargetRef {
    pub(super) kind: Arc<str>,
    pub(super) name: Arc<str>,
}

const FIELDS: [&str; 3] = ["selector", "targetRef", "targetRefs"];

impl Target {
    /// Reads the fields of a `spec`, one of which may be there. `None` where one was refused.
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Target> {
        match fields.at_most_one(&FIELDS) {
            Some("selector") => fields.optional("selector", selector),
            Some("targetRef") => fields
                .optional("targetRef", spanned(target_ref))
                .map(|target| Target::References(vec![target])),
            Some(_) => fields
                .optional("targetRefs", list_in(1..=16, spanned(target_ref)))
                .filter(|targets| !targets.is_empty())
                .map(Target::References),
            None if FIELDS.iter().any(|name| fields.has(name)) => None,
            None => Some(Target::Namespace),
        }
    }
}

fn selector(node: &Node, diags: &mut Diagnostics) -> Option<Target> {
    let mut fields = Fields::of(node, "selector", diags)?;
    let labels = fields
        .optional("matchLabels", map(label))
        .unwrap_or_default();
    let empty_key = labels
        .iter()
        .find(|(key, _)| key.text.is_empty() || key.text.contains('*'));
    if let Some(at) = empty_key.map(|(key, _)| key.span) {
        bad_label(at, fields.diags());
        return None;
    }
    if labels.is_empty() {
        let message = "an empty selector applies to the whole namespace";
        let warning = Diagnostic::warning("empty-selector", message).at(fields.span());
        fields
            .diags()
            .push(warning.help("leave `selector` out if that is meant"));
    }
    Some(Target::Labels(labels))
}

fn label(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let value = any_string(node, diags)?;
    if value.contains('*') {
        invalid(
            node,
            "is not a label value: there are no wildcards",
            "write the whole value",
            diags,
        );
        return None;
    }
    Some(value)
}

fn bad_label(at: Span, diags: &mut Diagnostics) {
    let message = "a label's name is neither empty nor a wildcard";
    let error = Diagnostic::error("invalid-value", message).at(at);
    diags.push(error.help("write a label such as `gateway.networking.k8s.io/gateway-name`"));
}

const GATEWAY_API: &str = "gateway.networking.k8s.io";

fn target_ref(node: &Node, diags: &mut Diagnostics) -> Option<TargetRef> {
    let mut fields = Fields::of(node, "targetRef", diags)?;
    let group = fields.optional("group", spanned(any_string));
    let kind = fields.required("kind", spanned(string));
    let name = fields.required("name", string);
    fields.unsupported("namespace", "a target lies in the namespace of its policy");
    let (kind, name) = (kind?, name?);
    let group_text = group.as_ref().map_or("", |it| &it.value);
    let known = matches!(
        (group_text, &*kind.value),
        (GATEWAY_API, "Gateway" | "GatewayClass")
            | ("" | "core", "Service")
            | ("networking.istio.io", "ServiceEntry")
    );
    if !known {
        let message = format!(
            "a policy of Istio cannot target `{group_text}/{}`",
            kind.value
        );
        let error = Diagnostic::error("invalid-value", message).at(kind.span);
        fields
            .diags()
            .push(error.help(format!("write `kind: Gateway` and `group: {GATEWAY_API}`")));
        return None;
    }
    Some(TargetRef {
        kind: kind.value,
        name,
    })
}
