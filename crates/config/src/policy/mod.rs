//! Policies about callers: Istio's RequestAuthentication and AuthorizationPolicy,
//! kgateway's `jwtAuth` and `rbac`, agentgateway's `jwtAuthentication` and
//! `authorization`, attached to the gateways and routes of one load.
//!
//! [`compile`] reads them all and answers, through [`Policies`], what holds on
//! a gateway, a listener and a route rule.

mod absent;
mod agentgateway;
mod builder;
mod demands;
mod effect;
mod expressions;
mod istio;
mod key_names;
mod keys;
mod kgateway;
mod levels;
mod mesh;
mod rules;
mod targets;
#[cfg(test)]
mod tests;
mod tokens;
mod trust;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_core::authn::Requirement;
use countersign_core::authz::{PolicySet, Rbac};
use countersign_core::backend::{BackendTls, Endpoint};
use countersign_core::id::{PolicySetId, RequirementId};
use countersign_core::origin::Origin;
use countersign_core::provider::Provider;

use crate::compiled::{AddressGuard, KeySource};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::{Kind, Object, Objects};
use crate::source::Span;

use effect::Jwt;
use rules::RuleId;

pub(crate) use demands::sort as sort_demands;
pub use effect::Effect;
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

/// The server of a key set, or why there is none.
pub type KeyBackends<'a> = dyn Fn(&KeyBackend<'_>) -> Result<KeyServer, String> + 'a;

/// Who has a key set.
#[derive(Clone, Debug)]
pub struct KeyServer {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// What a BackendTLSPolicy says about its certificate.
    pub tls: Option<BackendTls>,
}

/// A `backendRef` of `jwks.remote`.
#[derive(Debug)]
pub struct KeyBackend<'a> {
    /// The object that refers.
    pub from: &'a Object,
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
    /// Whether one of them asks for client certificates.
    pub client_certificates: bool,
}

/// A route as policies see it.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// Its name.
    pub key: RouteKey,
    /// Names of its rules, where they have one.
    pub rules: Vec<Option<Arc<str>>>,
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
    rules: rules::Rules,
    kgateway: kgateway::Attached,
    agentgateway: agentgateway::Attached,
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

    /// What Istio's policies demand of connections of a gateway, for comparison across reloads.
    pub fn connection_demands(&self, gateway: &GatewayKey) -> &[Arc<str>] {
        self.authorizations.in_short(gateway)
    }

    /// What AuthorizationPolicies demand of a gateway in detail, for comparison across reloads.
    pub fn authorization_demands(&self, gateway: &GatewayKey) -> &[Arc<str>] {
        self.authorizations.demands(gateway)
    }

    /// What holds on a listener where no route matched: gateway < listener.
    pub fn listener(&self, gateway: &GatewayKey, listener: &str) -> Effect {
        let kgateway = self.kgateway.on_listener(gateway, listener);
        let agentgateway = self.agentgateway.on_listener(gateway, listener);
        // What no route matches has nobody to tell who calls, and nothing to lose by that.
        self.effect(kgateway, agentgateway, true)
    }

    /// What holds for a route rule on a listener: gateway < listener < route <
    /// rule < TrafficPolicies named by the rule's own filters. Of each of
    /// kgateway's fields, and of agentgateway's `jwtAuthentication`, the closest
    /// level wins alone; agentgateway's `authorization` is gathered from all.
    pub fn rule(
        &self,
        gateway: &GatewayKey,
        listener: &str,
        route: &RouteKey,
        rule: usize,
        extension_refs: &[Arc<str>],
    ) -> Effect {
        let kgateway = self
            .kgateway
            .on_rule(gateway, listener, route, rule, extension_refs);
        let agentgateway = self.agentgateway.on_rule(gateway, listener, route, rule);
        self.effect(kgateway, agentgateway, self.istio(gateway).is_some())
    }

    /// The expressions and address lists that hold somewhere; [`countersign_core::id::RbacId`] counts them. Complete once
    /// every listener and route was asked for.
    pub fn take_rbacs(&self) -> Vec<Rbac> {
        self.rules.take_combined()
    }

    fn effect(
        &self,
        (jwt, rbac): (Option<&Jwt>, Option<RuleId>),
        (other, authorization): (Option<&Jwt>, Vec<RuleId>),
        verified: bool,
    ) -> Effect {
        let clash = jwt.zip(other).and_then(|(jwt, other)| jwt.clash(other));
        let mut remarks: Vec<Diagnostic> = clash.into_iter().collect();
        let jwt = jwt.filter(|it| it.asks()).or(other);
        if !verified && !jwt.is_some_and(Jwt::asks) {
            let rules = rbac.iter().chain(&authorization);
            remarks.extend(rules.filter_map(|id| self.rules.without_claims(*id)));
        }
        let mut demands = jwt.map_or_else(Vec::new, |it| it.demands.clone());
        demands.extend(self.rules.demands(rbac, &authorization));
        Effect {
            jwt: jwt.and_then(|it| it.requirement),
            rbac: self.rules.combine(rbac, authorization),
            closed: jwt.and_then(|it| it.closed.clone()),
            demands,
            remarks,
        }
    }
}

/// Reads, checks and attaches every token policy of a load.
pub fn compile(scene: &Scene<'_>, diags: &mut Diagnostics) -> Policies {
    let mesh = mesh::read(scene.objects, diags);
    let mut builder = builder::Builder::default();
    let istio = istio::attach(scene, &mesh, &mut builder, diags);
    let kgateway = kgateway::attach(scene, &mut builder, diags);
    let agentgateway = agentgateway::attach(scene, &mut builder, diags);
    let mut providers = builder.providers.iter();
    let tokens = istio::TokenPolicies {
        istio: &istio,
        others: providers.any(|it| it.origin.kind != Kind::RequestAuthentication.name()),
    };
    let mut authorizations = istio::authorize(scene, &mesh, &tokens, diags);
    istio.report_anonymous(|it| authorizations.mind_anonymous(it), diags);
    let builder::Builder {
        providers,
        keys,
        requirements,
        places,
        rules,
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
        rules,
        kgateway,
        agentgateway,
    }
}
