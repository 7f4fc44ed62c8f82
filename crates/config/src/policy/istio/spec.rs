//! `RequestAuthentication.spec`, read and checked by itself.

use std::sync::Arc;

use super::rule::{JwtRule, jwt_rule};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;
use crate::policy::tokens::{check_audiences, is_empty_list, without_effect};
use crate::read::{Fields, Spanned, any_string, invalid, list_in, map, spanned, string};
use crate::source::Span;
use crate::yaml::{Key, Node};

/// A RequestAuthentication.
pub(super) struct Authentication<'a> {
    pub(super) object: &'a Object,
    pub(super) target: Target,
    pub(super) rules: Vec<Spanned<JwtRule>>,
}

/// What it applies to.
pub(super) enum Target {
    /// No selector and no target: everything in its namespace.
    Namespace,
    /// `selector.matchLabels`, where it has any.
    Labels(Vec<(Key, Arc<str>)>),
    /// `targetRef` or `targetRefs`.
    References(Vec<Spanned<TargetRef>>),
}

/// One target.
pub(super) struct TargetRef {
    pub(super) kind: Arc<str>,
    pub(super) name: Arc<str>,
}

/// Reads the spec. `None` where nothing of it can be applied; all that is
/// wrong has been reported.
pub(super) fn authentication<'a>(
    object: &'a Object,
    diags: &mut Diagnostics,
) -> Option<Authentication<'a>> {
    let mut fields = object.fields(diags);
    let spec = fields.optional("spec", spec);
    // An absent spec selects the namespace and demands nothing.
    let Spec {
        target,
        rules,
        silent,
    } = match spec {
        Some(spec) => spec,
        None if fields.has("spec") => return None,
        None => Spec {
            target: Some(Target::Namespace),
            rules: Vec::new(),
            silent: true,
        },
    };
    if silent {
        let warning = without_effect("`jwtRules`", object.name_span);
        fields.diags().push(warning);
    }
    Some(Authentication {
        object,
        target: target?,
        rules,
    })
}

struct Spec {
    target: Option<Target>,
    rules: Vec<Spanned<JwtRule>>,
    /// There are no rules, and none was refused.
    silent: bool,
}

fn spec(node: &Node, diags: &mut Diagnostics) -> Option<Spec> {
    let mut fields = Fields::of(node, "RequestAuthentication.spec", diags)?;
    let given = fields.at_most_one(&["selector", "targetRef", "targetRefs"]);
    let several = given.is_none()
        && ["selector", "targetRef", "targetRefs"]
            .iter()
            .any(|name| fields.has(name));
    let target = match given {
        Some("selector") => fields.optional("selector", selector),
        Some("targetRef") => fields
            .optional("targetRef", spanned(target_ref))
            .map(|target| Target::References(vec![target])),
        Some(_) => fields
            .optional("targetRefs", list_in(1..=16, spanned(target_ref)))
            .map(Target::References),
        None if several => None,
        None => Some(Target::Namespace),
    };
    let rules = fields.optional("jwtRules", list_in(0..=4096, spanned(rule)));
    let written = node.child("jwtRules").filter(|it| !it.is_null());
    Some(Spec {
        target,
        rules: rules.unwrap_or_default(),
        silent: written.is_none_or(is_empty_list),
    })
}

fn rule(node: &Node, diags: &mut Diagnostics) -> Option<JwtRule> {
    check_audiences(node, true, diags);
    jwt_rule(node, diags)
}

fn selector(node: &Node, diags: &mut Diagnostics) -> Option<Target> {
    let mut fields = Fields::of(node, "RequestAuthentication.spec.selector", diags)?;
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
            "a RequestAuthentication cannot target `{group_text}/{}`",
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
