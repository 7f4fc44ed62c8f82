//! TrafficPolicies that rules name in their filters: each must be there, and one that nothing names must have targets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::spec::Route;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::{Kind, Object, Objects};
use crate::refs::near;

type Name = (Arc<str>, Arc<str>);

/// Reports names of policies that are not there, and policies that hold nowhere.
pub(super) fn check(objects: &Objects, routes: &[Route], diags: &mut Diagnostics) {
    let policies = objects.of(Kind::TrafficPolicy);
    let policies: HashMap<Name, &Object> = policies.map(|it| (name(it), it)).collect();
    let mut used: HashSet<Name> = HashSet::new();
    for route in routes {
        for extension in route
            .rules
            .iter()
            .flatten()
            .flat_map(|it| &it.filters.extensions)
        {
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

fn name(object: &Object) -> Name {
    (Arc::clone(&object.namespace), Arc::clone(&object.name))
}

fn has_targets(policy: &Object) -> bool {
    let spec = policy.root.child("spec");
    let given = |name| {
        spec.and_then(|it| it.child(name))
            .is_some_and(|it| !it.is_null())
    };
    given("targetRefs") || given("targetSelectors")
}
