//! `AuthorizationPolicy.spec`, read and checked by itself.

use std::sync::Arc;

use countersign_core::authz::{Action, Policy, Rule};

use super::clause::Scope;
use super::rule::rules;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::Object;
use crate::policy::Mesh;
use crate::policy::istio::target::Target;
use crate::policy::tokens::{is_empty_list, without_effect};
use crate::read::{Fields, Spanned, choice, spanned, string};
use crate::source::Span;
use crate::yaml::Node;

/// An AuthorizationPolicy.
pub(super) struct Authorization<'a> {
    pub(super) object: &'a Object,
    pub(super) target: Target,
    pub(super) policy: Policy,
    /// Where each of its rules stands.
    pub(super) spans: Vec<Span>,
    /// Who is to be asked about what it matches.
    pub(super) provider: Option<Spanned<Arc<str>>>,
}

const ACTIONS: &[(&str, Action)] = &[
    ("ALLOW", Action::Allow),
    ("DENY", Action::Deny),
    ("AUDIT", Action::Audit),
    ("CUSTOM", Action::Custom),
];

/// Reads the object. `None` where its target or action was refused; all that is wrong has been reported.
pub(super) fn authorization<'a>(
    object: &'a Object,
    mesh: &Mesh,
    diags: &mut Diagnostics,
) -> Option<Authorization<'a>> {
    let dry_run = dry_run(object, diags);
    let mut fields = object.fields(diags);
    // An absent spec selects the namespace, and as an ALLOW without rules lets nothing in.
    let spec = match fields.node("spec") {
        Some(node) => spec(node, object, mesh, dry_run, fields.diags())?,
        None => Spec {
            target: Some(Target::Namespace),
            action: Action::Allow,
            rules: Vec::new(),
            provider: None,
        },
    };
    fields.finish();
    let (rules, spans) = spec.rules.into_iter().map(|it| (it.value, it.span)).unzip();
    Some(Authorization {
        object,
        target: spec.target?,
        spans,
        provider: spec.provider.filter(|_| !dry_run),
        policy: Policy {
            origin: Arc::new(object.origin.clone()),
            action: spec.action,
            dry_run,
            rules,
        },
    })
}

struct Spec {
    target: Option<Target>,
    action: Action,
    rules: Vec<Spanned<Rule>>,
    provider: Option<Spanned<Arc<str>>>,
}

fn spec(
    node: &Node,
    object: &Object,
    mesh: &Mesh,
    dry_run: bool,
    diags: &mut Diagnostics,
) -> Option<Spec> {
    let mut fields = Fields::of(node, "AuthorizationPolicy.spec", diags)?;
    let target = Target::read(&mut fields);
    let written = fields.has("action");
    let action = fields.optional("action", choice(ACTIONS));
    let refused = written && action.is_none();
    let action = action.unwrap_or(Action::Allow);
    let provider = provider(&mut fields, action, refused, mesh, dry_run);
    let scope = Scope {
        namespace: &object.namespace,
        action,
        trust: &mesh.trust_domains,
        normalization: mesh.normalization,
    };
    let node = fields.node("rules");
    if node.is_none_or(is_empty_list) {
        without_rules(action, object.name_span, fields.diags());
    }
    let rules = node.map(|it| rules(it, &object.origin, &scope, fields.diags()));
    (!refused).then(|| Spec {
        target,
        action,
        rules: rules.unwrap_or_default(),
        provider,
    })
}

/// An ALLOW that lets nothing in is a common way to begin; nothing else makes sense without rules.
fn without_rules(action: Action, at: Span, diags: &mut Diagnostics) {
    match action {
        Action::Allow => {}
        Action::Audit => diags.push(without_effect("`rules`", at)),
        Action::Deny | Action::Custom => {
            let message = format!("`action: {action}` without rules never matches anything");
            let error = Diagnostic::error("missing-field", message).at(at);
            diags.push(error.help("add `rules:`; `rules: [{}]` matches every request"));
        }
    }
}

/// Who decides about what a CUSTOM policy matches. Where nobody knows the one that is named, what matches is refused, as
/// Istio does.
fn provider(
    fields: &mut Fields<'_, '_>,
    action: Action,
    refused: bool,
    mesh: &Mesh,
    dry_run: bool,
) -> Option<Spanned<Arc<str>>> {
    let named = fields.has("provider");
    let provider = fields.optional("provider", |node, diags| {
        let mut fields = Fields::of(node, "AuthorizationPolicy.spec.provider", diags)?;
        fields.required("name", spanned(string))
    });
    let key = fields.key("provider").unwrap_or(fields.span());
    let told = match (action, &provider) {
        (Action::Custom, Some(name)) => unasked(name, mesh, dry_run),
        (Action::Custom, None) if named => None,
        (Action::Custom, None) => {
            let message = "`action: CUSTOM` needs a provider that decides";
            let error = Diagnostic::error("missing-field", message).at(key);
            let help = "add `provider:` with a `name:` of MeshConfig's `extensionProviders`";
            Some(error.help(help))
        }
        _ if named && !refused => {
            let message = format!("`provider` has no meaning with `action: {action}`");
            let error = Diagnostic::error("one-of", message).at(key);
            Some(error.help("remove it, or write `action: CUSTOM`"))
        }
        _ => None,
    };
    if let Some(told) = told {
        fields.diags().push(told);
    }
    provider.filter(|_| action == Action::Custom)
}

/// What is to be said of a provider by itself: a dry run does not ask it, and nobody can ask one that is not known.
fn unasked(name: &Spanned<Arc<str>>, mesh: &Mesh, dry_run: bool) -> Option<Diagnostic> {
    let known = mesh.providers.contains(&name.value);
    let name_quoted = quoted(name);
    let told = match (known, dry_run) {
        (true, false) => return None,
        (true, true) => {
            let message = format!("{name_quoted} is not asked: it is only recorded what matches");
            let warning = Diagnostic::warning("provider-not-asked", message);
            warning.help("nothing, if a record is all that is wanted")
        }
        (false, _) => {
            let what = if dry_run {
                "would be refused"
            } else {
                "is refused"
            };
            let message = format!(
                "nobody knows the provider {name_quoted}: every request that this policy matches {what}"
            );
            let warning = Diagnostic::warning("unknown-provider", message);
            warning.help("name one of MeshConfig's `extensionProviders`, or write a DENY policy if that is meant")
        }
    };
    Some(told.at(name.span))
}

const DRY_RUN: &str = "istio.io/dry-run";

/// The annotation, in the words of Go's `strconv.ParseBool`.
fn dry_run(object: &Object, diags: &mut Diagnostics) -> bool {
    let mut annotations = object.annotations.iter();
    let Some((_, value)) = annotations.find(|(key, _)| &**key == DRY_RUN) else {
        return false;
    };
    match &**value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        other => {
            let annotations = object.root.child("metadata");
            let annotations = annotations.and_then(|it| it.child("annotations"));
            let node = annotations.and_then(|it| it.child(DRY_RUN));
            let at = node.map_or(object.name_span, |it| it.span);
            let message = format!(
                "{} is neither true nor false, so the policy is enforced",
                quoted(other)
            );
            let warning = Diagnostic::warning("dry-run", message).at(at);
            let warning = warning.about(object.reference());
            diags.push(warning.help("write `\"true\"`, or remove the annotation"));
            false
        }
    }
}
