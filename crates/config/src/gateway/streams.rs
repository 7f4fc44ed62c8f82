//! Listeners that read no requests: what policies mean to their connections (decision P6).

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::authz::{Action, Policy, PolicySet, Rule};
use countersign_core::id::PolicySetId;
use countersign_core::listener;
use countersign_core::route::{RouteEntry, RouteTable};

use super::{Gateway, Listener};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::policy::Policies;

/// The policy sets of connections, each made once. Their numbers go on where those of requests end.
pub(super) struct Streams<'a> {
    policies: &'a Policies,
    numbers: HashMap<PolicySetId, PolicySetId>,
    sets: Vec<PolicySet>,
}

impl<'a> Streams<'a> {
    pub(super) fn new(policies: &'a Policies) -> Streams<'a> {
        Streams {
            policies,
            numbers: HashMap::new(),
            sets: Vec::new(),
        }
    }

    pub(super) fn into_sets(self) -> Vec<PolicySet> {
        self.sets
    }

    /// A listener with the routes of its connections, and what holds for them.
    pub(super) fn listener(
        &mut self,
        gateway: &Gateway,
        listener: &Listener,
        routes: Vec<RouteEntry>,
        diags: &mut Diagnostics,
    ) -> listener::Listener {
        let outer = diags.enter(Some(gateway.reference.clone()));
        let effect = self.policies.listener(&gateway.key, &listener.spec.name);
        let idle = [
            (
                self.policies.istio(&gateway.key).is_some() || effect.jwt.is_some(),
                "no token is looked at",
            ),
            (effect.rbac.is_some(), "no expression is evaluated"),
        ];
        for (_, what) in idle.iter().filter(|(holds, _)| *holds) {
            let message = format!(
                "{what} on listener {}, which reads no requests",
                quoted(&listener.spec.name)
            );
            let warning = Diagnostic::warning("policy-not-on-streams", message);
            let help =
                "guard it with an AuthorizationPolicy on addresses, ports, names or principals";
            diags.push(warning.at(listener.spec.span).help(help));
        }
        let requests = self.policies.authorization(&gateway.key);
        let policies = requests.map(|id| self.set(id));
        if let Some(set) = requests.and_then(|id| self.policies.sets.get(id.0 as usize)) {
            degraded(set, listener, diags);
        }
        diags.enter(outer);
        listener::Listener {
            origin: Arc::clone(&listener.origin),
            name: Arc::clone(&listener.title),
            host: listener.spec.host.clone(),
            mode: listener.spec.mode,
            routes: RouteTable::new(routes),
            istio: None,
            jwt: None,
            policies,
            rbac: None,
            identity: listener::IdentityHeaders::default(),
            routes_on_identity: false,
            normalization: gateway.normalization(&self.policies.mesh),
            proxies: gateway.proxies(&self.policies.mesh),
            closed: effect.closed,
        }
    }

    fn set(&mut self, requests: PolicySetId) -> PolicySetId {
        if let Some(known) = self.numbers.get(&requests) {
            return *known;
        }
        let Some(set) = self.policies.sets.get(requests.0 as usize) else {
            // Nothing has this number, and what refers to nothing is closed.
            return PolicySetId(u32::MAX);
        };
        let number = self.policies.sets.len() + self.sets.len();
        let number = PolicySetId(u32::try_from(number).unwrap_or(u32::MAX));
        self.sets.push(PolicySet::for_connections(set.policies()));
        self.numbers.insert(requests, number);
        number
    }
}

/// Says which rules mean something else to connections than to requests.
fn degraded(set: &PolicySet, listener: &Listener, diags: &mut Diagnostics) {
    let connections = PolicySet::for_connections(set.policies());
    for (policy, left) in set.policies().iter().zip(connections.policies()) {
        for rule in &policy.rules {
            let kept = left.rules.iter().find(|it| it.origin == rule.origin);
            if let Some(what) = change(policy, rule, kept) {
                let message = format!(
                    "on listener {}, which reads no requests, {} {what}",
                    quoted(&listener.spec.name),
                    rule.origin,
                );
                let warning = Diagnostic::warning("rule-not-on-streams", message);
                let help = "write a rule for connections: principals, namespaces, addresses, ports, `connection.sni`";
                diags.push(warning.at(listener.spec.span).help(help));
            }
        }
    }
}

fn change(policy: &Policy, rule: &Rule, kept: Option<&Rule>) -> Option<String> {
    let lost = rule.clauses().filter(|it| it.test.needs_request());
    let lost: Vec<String> = lost.map(|it| quoted(&it.field)).collect();
    if lost.is_empty() {
        return None;
    }
    let fields = lost.join(", ");
    Some(match (policy.action, kept) {
        (Action::Allow, _) => format!("lets nobody in: it asks for {fields}"),
        (action, Some(rule)) if rule.clauses().next().is_none() => {
            format!("is for everybody, as {action}: {fields} cannot be looked at")
        }
        (action, _) => format!("is for more, as {action}: {fields} cannot be looked at"),
    })
}
