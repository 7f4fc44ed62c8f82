//! AuthorizationPolicies: which hold on a gateway, in istiod's order.

mod attribute;
mod callers;
mod clause;
mod condition;
mod lint;
mod providers;
mod rule;
mod spec;
mod values;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_core::authz::{Policy, PolicySet};
use countersign_core::id::PolicySetId;

use self::callers::Knowledge;
use self::spec::{Authorization, authorization};
use self::words::Words;
use super::attach::Attached;
use super::reach::{applies, report};
use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Object};
use crate::policy::{GatewayInfo, GatewayKey, Mesh, Scene};

/// What each gateway got.
#[derive(Debug, Default)]
pub(in crate::policy) struct Authorizations {
    gateways: BTreeMap<GatewayKey, PolicySetId>,
    /// What the policies of each set demand.
    words: Vec<Words>,
    /// Whether those of each set say what becomes of requests without a token.
    minds_anonymous: Vec<bool>,
    /// One for each combination of policies.
    pub(in crate::policy) sets: Vec<PolicySet>,
}

impl Authorizations {
    pub(in crate::policy) fn of(&self, gateway: &GatewayKey) -> Option<PolicySetId> {
        self.gateways.get(gateway).copied()
    }

    /// What the policies of a gateway demand in detail, for comparison across reloads.
    pub(in crate::policy) fn demands(&self, gateway: &GatewayKey) -> &[Arc<str>] {
        self.words(gateway).map_or(&[], |it| &it.gateway)
    }

    /// The same in short, for each of its routes.
    pub(in crate::policy) fn in_short(&self, gateway: &GatewayKey) -> &[Arc<str>] {
        self.words(gateway).map_or(&[], |it| &it.route)
    }

    /// Whether policies of a gateway say what becomes of requests without a token.
    pub(in crate::policy) fn mind_anonymous(&self, gateway: &GatewayKey) -> bool {
        let minds = self.of(gateway);
        let minds = minds.and_then(|id| self.minds_anonymous.get(id.0 as usize));
        minds.copied().unwrap_or(false)
    }

    fn words(&self, gateway: &GatewayKey) -> Option<&Words> {
        self.words.get(self.of(gateway)?.0 as usize)
    }
}

/// Which gateways know whose token a request carries.
pub(in crate::policy) struct TokenPolicies<'a> {
    /// By RequestAuthentications.
    pub(in crate::policy) istio: &'a Attached,
    /// By policies of others, whose places are not looked at here.
    pub(in crate::policy) others: bool,
}

impl TokenPolicies<'_> {
    fn on(&self, gateway: &GatewayKey) -> bool {
        self.others || self.istio.of(gateway).is_some()
    }
}

/// Reads all of them and attaches each to its gateways.
pub(in crate::policy) fn attach(
    scene: &Scene<'_>,
    mesh: &Mesh,
    tokens: &TokenPolicies<'_>,
    diags: &mut Diagnostics,
) -> Authorizations {
    let mut objects: Vec<&Object> = scene.objects.of(Kind::AuthorizationPolicy).collect();
    sort(&mut objects, &mesh.root_namespace);
    let policies: Vec<Authorization<'_>> = objects
        .into_iter()
        .filter_map(|object| authorization(object, mesh, diags))
        .collect();
    for policy in &policies {
        let reached = scene.gateways.iter();
        let reached = reached.filter(|it| applies(policy.object, &policy.target, it, mesh));
        let reached: Vec<&GatewayInfo> = reached.collect();
        if report(policy.object, &policy.target, scene, mesh, diags) {
            let known = Knowledge {
                tokens: reached.iter().any(|it| tokens.on(&it.key)),
                certificates: reached.iter().any(|it| it.client_certificates),
            };
            callers::report(policy, known, diags);
        }
    }
    providers::report(&policies, &scene.gateways, mesh, diags);
    let mut attached = Authorizations::default();
    let mut known: HashMap<Vec<usize>, PolicySetId> = HashMap::new();
    for gateway in &scene.gateways {
        let holds = |it: &Authorization<'_>| applies(it.object, &it.target, gateway, mesh);
        let applying: Vec<usize> = policies
            .iter()
            .enumerate()
            .filter(|(_, policy)| holds(policy))
            .map(|(index, _)| index)
            .collect();
        if applying.is_empty() {
            continue;
        }
        let id = match known.get(&applying) {
            Some(id) => *id,
            None => {
                let id = PolicySetId(u32::try_from(attached.sets.len()).unwrap_or(u32::MAX));
                let chosen = applying.iter().filter_map(|it| policies.get(*it));
                let chosen: Vec<Policy> = chosen.map(|it| it.policy.clone()).collect();
                attached.words.push(Words::of(chosen.iter()));
                let minds = chosen.iter().any(callers::minds_anonymous);
                attached.minds_anonymous.push(minds);
                attached.sets.push(PolicySet::new(chosen));
                known.insert(applying, id);
                id
            }
        };
        attached.gateways.insert(gateway.key.clone(), id);
    }
    attached
}

/// The root namespace's before others, older before newer, then by name: of several rules that match, the first is named
/// as the one that decided.
fn sort(objects: &mut [&Object], root: &Arc<str>) {
    objects.sort_by_key(|it| {
        let created = it.created.unwrap_or(i64::MAX);
        (
            it.namespace != *root,
            created,
            Arc::clone(&it.namespace),
            Arc::clone(&it.name),
        )
    });
}
