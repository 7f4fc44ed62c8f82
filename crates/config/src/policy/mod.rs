//! Policies about tokens: Istio's RequestAuthentication and kgateway's jwt
//! extensions, attached to the gateways and routes of one load.
//!
//! [`compile`] reads them all and answers, through [`Policies`], what holds on
//! a gateway, a listener and a route rule.

mod builder;
mod demands;
mod istio;
mod key_names;
mod kgateway;
mod mesh;
#[cfg(test)]
mod tests;
mod tokens;
mod trust;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_core::authn::Requirement;
use countersign_core::authz::PolicySet;
use countersign_core::backend::{Ca, Endpoint};
use countersign_core::id::{PolicySetId, RequirementId};
use countersign_core::origin::Origin;
use countersign_core::provider::Provider;

use crate::compiled::{AddressGuard, KeySource};
use crate::diagnostic::Diagnostics;
use crate::object::Objects;
use crate::source::Span;

pub(crate) use demands::sort as sort_demands;
pub use mesh::Mesh;

/// A Gateway by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayKey {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A route by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey {
    /// `HTTPRoute` or `GRPCRoute`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// What policies can be attached to, and what they may refer to.
pub struct Scene<'a> {
    /// All objects of the load.
    pub objects: &'a Objects,
    /// The Gateways that are served.
    pub gateways: Vec<GatewayInfo>,
    /// The routes that were read.
    pub routes: Vec<RouteInfo>,
    /// Resolves the `backendRef` of a remote key set.
    pub backend: &'a KeyBackends<'a>,
    /// Address guard of the gateways (decision T15).
    pub guard: AddressGuard,
}

/// Where to connect, and the CA that a BackendTLSPolicy gives; or why not.
pub type KeyBackends<'a> = dyn Fn(&KeyBackend<'_>) -> Result<(Endpoint, Option<Ca>), String> + 'a;

/// A `backendRef` of `jwks.remote`.
#[derive(Debug)]
pub struct KeyBackend<'a> {
    /// Namespace of the object that refers.
    pub from: &'a str,
    /// Group of the target; empty for the core group.
    pub group: &'a str,
    /// Kind of the target.
    pub kind: &'a str,
    /// Namespace of the target.
    pub namespace: &'a str,
    /// Name of the target.
    pub name: &'a str,
    /// Port of the target, where its kind needs one.
    pub port: Option<u16>,
}

/// A Gateway as policies see it.
#[derive(Clone, Debug)]
pub struct GatewayInfo {
    /// Its name.
    pub key: GatewayKey,
    /// Labels that selectors are held against: `spec.infrastructure.labels` and the gateway-name label.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Names of its listeners.
    pub listeners: Vec<Arc<str>>,
}

/// A route as policies see it.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// Its name.
    pub key: RouteKey,
    /// Names of its rules, where they have one.
    pub rules: Vec<Option<Arc<str>>>,
}

/// What kgateway policies demand at some place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The token requirement, if any.
    pub jwt: Option<RequirementId>,
    /// Why the place is closed, if it is (decision P4).
    pub closed: Option<Arc<str>>,
    /// What is demanded, for comparison across reloads.
    pub demands: Vec<Arc<str>>,
}

/// All token policies, compiled and attached.
#[derive(Debug, Default)]
pub struct Policies {
    /// Mesh-wide settings.
    pub mesh: Mesh,
    /// Issuers; [`countersign_core::ProviderId`] counts them.
    pub providers: Vec<Provider>,
    /// Where their keys come from, in the same order.
    pub keys: Vec<KeySource>,
    /// Requirements; [`RequirementId`] counts them.
    pub requirements: Vec<Requirement>,
    /// Where each rule of them stands.
    places: HashMap<Arc<Origin>, Span>,
    /// AuthorizationPolicies, one set for each combination that holds on a gateway; [`PolicySetId`] counts them.
    pub sets: Vec<PolicySet>,
    istio: istio::Attached,
    authorizations: istio::Authorizations,
    kgateway: kgateway::Attached,
}

impl Policies {
    /// All RequestAuthentications that apply to a gateway, merged.
    pub fn istio(&self, gateway: &GatewayKey) -> Option<RequirementId> {
        self.istio.of(gateway)
    }

    /// All AuthorizationPolicies that apply to a gateway.
    pub fn authorization(&self, gateway: &GatewayKey) -> Option<PolicySetId> {
        self.authorizations.of(gateway)
    }

    /// Where a rule of a requirement stands.
    pub fn place(&self, rule: &Origin) -> Option<Span> {
        self.places.get(rule).copied()
    }

    /// What Istio's policies demand of a gateway, for comparison across reloads.
    pub fn istio_demands(&self, gateway: &GatewayKey) -> Vec<Arc<str>> {
        let mut demands = self.istio.demands(gateway);
        demands.extend_from_slice(self.authorizations.in_short(gateway));
        demands
    }

    /// What AuthorizationPolicies demand of a gateway in detail, for comparison across reloads.
    pub fn authorization_demands(&self, gateway: &GatewayKey) -> &[Arc<str>] {
        self.authorizations.demands(gateway)
    }

    /// What holds on a listener where no route matched: gateway < listener.
    pub fn listener(&self, gateway: &GatewayKey, listener: &str) -> Effect {
        self.kgateway.listener(gateway, listener)
    }

    /// What holds for a route rule on a listener: gateway < listener < route <
    /// rule < TrafficPolicies named by the rule's own filters. The closest
    /// level wins alone.
    pub fn rule(
        &self,
        gateway: &GatewayKey,
        listener: &str,
        route: &RouteKey,
        rule: usize,
        extension_refs: &[Arc<str>],
    ) -> Effect {
        self.kgateway
            .rule(gateway, listener, route, rule, extension_refs)
    }
}

/// Reads, checks and attaches every token policy of a load.
pub fn compile(scene: &Scene<'_>, diags: &mut Diagnostics) -> Policies {
    let mesh = mesh::read(scene.objects, diags);
    let mut builder = builder::Builder::default();
    let istio = istio::attach(scene, &mesh, &mut builder, diags);
    let mut authorizations = istio::authorize(scene, &mesh, diags);
    let kgateway = kgateway::attach(scene, &mut builder, diags);
    let builder::Builder {
        providers,
        keys,
        requirements,
        places,
        ..
    } = builder;
    Policies {
        mesh,
        providers,
        keys,
        requirements,
        places,
        sets: std::mem::take(&mut authorizations.sets),
        istio,
        authorizations,
        kgateway,
    }
}
