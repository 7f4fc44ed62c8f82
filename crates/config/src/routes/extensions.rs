//! TrafficPolicies that rules name in their filters: each must be there and decide, and one that nothing names must
//! have targets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::spec::Route;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::{Kind, Object, Objects};
use crate::read::Spanned;
use crate::refs::near;

type Name = (Arc<str>, Arc<str>);

/// Reports names of policies that are not there, and policies that hold nowhere.
pub(super) fn check(objects: &Objects, routes: &[Route], diags: &mut Diagnostics) {
    let policies = objects.of(Kind::TrafficPolicy);
    let policies: HashMap<Name, &Object> = policies.map(|it| (name(it), it)).collect();
    let mut used: HashSet<Name> = HashSet::new();
    for route in routes {
        let rules = || route.rules.iter().flatten();
        for rule in rules() {
            overridden(route, &rule.filters.extensions, &policies, diags);
        }
        for extension in rules().flat_map(|it| &it.filters.extensions) {
            let wanted = (
                Arc::clone(&route.key.namespace),
                Arc::clone(&extension.value),
            );
            if !policies.contains_key(&wanted) {
                let here = policies.keys().filter(|(it, _)| *it == wanted.0);
                let help = match near(&wanted.1, here.map(|(_, name)| &**name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "correct the name, or load the policy that is meant".into(),
                };
                let message = format!(
                    "there is no `TrafficPolicy` {} in namespace {}",
                    quoted(&wanted.1),
                    quoted(&wanted.0)
                );
                let error = Diagnostic::error("extension-not-found", message).at(extension.span);
                diags.push(error.help(help).about(route.reference.clone()));
            }
            used.insert(wanted);
        }
    }
    for (name, policy) in policies {
        if !used.contains(&name) && !has_targets(policy) {
            let message = "this policy protects nothing here, because it has no `targetRefs` and no route names it";
            let warning = Diagnostic::warning("policy-not-used", message).at(policy.name_span);
            let help = "add `targetRefs`, or name it in an `ExtensionRef` filter of a route";
            diags.push(warning.help(help).about(policy.reference()));
        }
    }
}

/// Reports fields of policies that a rule names after another one with the same field: the first one named decides alone
/// (decision P3).
fn overridden(
    route: &Route,
    extensions: &[Spanned<Arc<str>>],
    policies: &HashMap<Name, &Object>,
    diags: &mut Diagnostics,
) {
    let policy = |name: &Arc<str>| {
        let name = (Arc::clone(&route.key.namespace), Arc::clone(name));
        policies.get(&name).copied()
    };
    for field in ["jwtAuth", "rbac"] {
        let says = |it: &&Spanned<Arc<str>>| policy(&it.value).is_some_and(|it| has(it, field));
        let mut all = extensions.iter().filter(says);
        let Some(winner) = all.next() else { continue };
        for loser in all.filter(|it| it.value != winner.value) {
            let message = format!(
                "`{field}` of TrafficPolicy {} is overridden here: {}, which the rule names before, says the same",
                quoted(&loser.value),
                quoted(&winner.value)
            );
            let warning = Diagnostic::warning("policy-overridden", message).at(loser.span);
            let help = "policies are not combined: the first that a rule names decides alone; write one policy";
            diags.push(
                warning
                    .about(route.reference.clone())
                    .related(winner.span, "the winner")
                    .help(help),
            );
        }
    }
}

fn name(object: &Object) -> Name {
    (Arc::clone(&object.namespace), Arc::clone(&object.name))
}

fn has_targets(policy: &Object) -> bool {
    has(policy, "targetRefs") || has(policy, "targetSelectors")
}

/// Whether the `spec` of a policy says something under this name.
fn has(policy: &Object, field: &str) -> bool {
    let spec = policy.root.child("spec");
    spec.and_then(|it| it.child(field))
        .is_some_and(|it| !it.is_null())
}
