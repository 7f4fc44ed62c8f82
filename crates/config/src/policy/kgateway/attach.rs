//! Which TrafficPolicy wins where.
//!
//! Levels from far to near: Gateway, listener, route, rule, and policies that
//! a rule's own filters name. The nearest level that says anything about
//! `jwtAuth` decides alone; on one level the oldest policy does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_core::authn::{Family, Missing, Requirement, TokenRule};
use countersign_core::id::RequirementId;
use countersign_jose::{Audiences, ZeroExp};

use super::extension::{Extension, extension};
use super::keys::resolve;
use super::traffic::{ExtensionRef, JwtAuth, Target, TargetKind, Traffic, Which, traffic};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::{Kind, Object, Objects};
use crate::policy::builder::{Builder, NewProvider};
use crate::policy::{Effect, GatewayKey, RouteKey, Scene};
use crate::read::Spanned;

/// The winner of each place.
#[derive(Debug, Default)]
pub(in crate::policy) struct Attached {
    gateways: BTreeMap<(GatewayKey, Option<Arc<str>>), Effect>,
    /// By route and rule; `None` is the whole route.
    routes: BTreeMap<(RouteKey, Option<usize>), Effect>,
    /// TrafficPolicies by namespace and name, for filters that name them.
    named: BTreeMap<(Arc<str>, Arc<str>), Effect>,
}

impl Attached {
    pub(in crate::policy) fn listener(&self, gateway: &GatewayKey, listener: &str) -> Effect {
        let at = |section: Option<Arc<str>>| self.gateways.get(&(gateway.clone(), section));
        at(Some(listener.into()))
            .or_else(|| at(None))
            .cloned()
            .unwrap_or_default()
    }

    pub(in crate::policy) fn rule(
        &self,
        gateway: &GatewayKey,
        listener: &str,
        route: &RouteKey,
        rule: usize,
        extension_refs: &[Arc<str>],
    ) -> Effect {
        let named = extension_refs
            .iter()
            .find_map(|name| self.named.get(&(route.namespace.clone(), name.clone())));
        let at = |rule| self.routes.get(&(route.clone(), rule));
        match named.or_else(|| at(Some(rule))).or_else(|| at(None)) {
            Some(effect) => effect.clone(),
            None => self.listener(gateway, listener),
        }
    }
}

/// A place with the policy that holds it so far.
type Places<'a, K> = BTreeMap<K, (&'a Traffic<'a>, Effect)>;

/// Reads extensions and policies and attaches them.
pub(in crate::policy) fn attach(
    scene: &Scene<'_>,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> Attached {
    let extensions = extensions(scene, builder, diags);
    let policies: Vec<Traffic<'_>> = scene
        .objects
        .of(Kind::TrafficPolicy)
        .filter_map(|it| traffic(it, diags))
        .collect();
    let mut policies: Vec<&Traffic<'_>> = policies.iter().collect();
    // The oldest first: who comes later to a place that is taken is overridden.
    policies.sort_by_key(|it| age(it.object));
    let (mut gateways, mut routes) = (Places::new(), Places::new());
    let mut named = BTreeMap::new();
    for policy in policies {
        let Some(jwt) = &policy.jwt else { continue };
        let effect = effect(policy, jwt, &extensions, diags);
        for target in &policy.targets {
            match target.kind {
                TargetKind::Gateway => {
                    on_gateways(policy, target, &effect, scene, &mut gateways, diags);
                }
                TargetKind::Route(kind) => {
                    on_routes(policy, target, kind, &effect, scene, &mut routes, diags);
                }
            }
        }
        let object = policy.object;
        named.insert((object.namespace.clone(), object.name.clone()), effect);
    }
    Attached {
        gateways: gateways
            .into_iter()
            .map(|(key, (_, effect))| (key, effect))
            .collect(),
        routes: routes
            .into_iter()
            .map(|(key, (_, effect))| (key, effect))
            .collect(),
        named,
    }
}

fn age(object: &Object) -> (i64, Arc<str>, Arc<str>) {
    (
        object.created.unwrap_or(i64::MAX),
        object.namespace.clone(),
        object.name.clone(),
    )
}

/// A compiled extension with what it demands, or why it is closed.
type Compiled = Result<(RequirementId, Vec<Arc<str>>), Arc<str>>;

fn extensions(
    scene: &Scene<'_>,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> HashMap<(Arc<str>, Arc<str>), Compiled> {
    let mut compiled = HashMap::new();
    for object in scene.objects.of(Kind::GatewayExtension) {
        let key = (object.namespace.clone(), object.name.clone());
        let result = match extension(object, diags) {
            Some(it) => compile(&it, scene, builder, diags),
            None => Err(format!("GatewayExtension `{}` cannot be used", object.name).into()),
        };
        compiled.insert(key, result);
    }
    compiled
}

fn compile(
    extension: &Extension<'_>,
    scene: &Scene<'_>,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> Compiled {
    let object = extension.object;
    if extension.providers.is_empty() && extension.missing == Missing::Anonymous {
        let message = "this extension has no providers and lets requests without a token through, so it protects nothing";
        let warning = Diagnostic::warning("no-providers", message).at(object.name_span);
        diags.push(
            warning
                .about(object.reference())
                .help("add a provider, or use `validationMode: Strict`"),
        );
    }
    let mut rules = Vec::new();
    let mut closed = None;
    for spec in &extension.providers {
        let part = format!("providers[{}]", spec.name);
        let origin = Arc::new(object.origin.part(part, spec.span.start.line));
        let Some(keys) = &spec.keys else {
            closed = Some("a provider has no keys".into());
            continue;
        };
        match resolve(keys, object, scene, diags) {
            Err(why) => closed = Some(why),
            Ok(keys) => {
                let provider = builder.provider(NewProvider {
                    origin: origin.clone(),
                    span: spec.span,
                    name: format!("{}/{}/{}", object.namespace, object.name, spec.name).into(),
                    issuer: spec.issuer.clone(),
                    audiences: audiences(&spec.audiences),
                    zero_exp: ZeroExp::Expired,
                    skew: spec.skew,
                    keys,
                    unavailable: "Jwks remote fetch is failed",
                });
                rules.push(TokenRule {
                    origin,
                    provider,
                    sources: spec.sources.clone(),
                    forward: spec.forward,
                    payload_header: None,
                    claim_headers: spec.claim_headers.clone(),
                    space_delimited: Box::default(),
                    required: false,
                });
            }
        }
    }
    if let Some(why) = closed {
        return Err(why);
    }
    let origin = Arc::new(object.origin.clone());
    let requirement = Requirement::new(origin, rules, extension.missing, Family::Kgateway);
    let id = builder.requirement(requirement);
    Ok((id, builder.demands(id)))
}

/// Compared byte for byte (RFC 7519 section 4.1.3).
fn audiences(listed: &[Arc<str>]) -> Audiences {
    match listed {
        [] => Audiences::Any,
        some => Audiences::exact(some.iter().map(|it| &**it)),
    }
}

/// What a policy demands where it holds.
fn effect(
    policy: &Traffic<'_>,
    jwt: &JwtAuth,
    extensions: &HashMap<(Arc<str>, Arc<str>), Compiled>,
    diags: &mut Diagnostics,
) -> Effect {
    let reference = match jwt {
        JwtAuth::Disable => return Effect::default(),
        JwtAuth::Extension(reference) => reference,
    };
    let namespace = reference
        .namespace
        .as_ref()
        .unwrap_or(&policy.object.namespace);
    match extensions.get(&(namespace.clone(), reference.name.clone())) {
        Some(Ok((id, demands))) => Effect {
            jwt: Some(*id),
            closed: None,
            demands: demands.clone(),
        },
        Some(Err(why)) => Effect {
            closed: Some(why.clone()),
            ..Effect::default()
        },
        None => Effect {
            closed: Some(missing_extension(
                policy, reference, namespace, extensions, diags,
            )),
            ..Effect::default()
        },
    }
}

fn missing_extension(
    policy: &Traffic<'_>,
    reference: &Spanned<ExtensionRef>,
    namespace: &Arc<str>,
    extensions: &HashMap<(Arc<str>, Arc<str>), Compiled>,
    diags: &mut Diagnostics,
) -> Arc<str> {
    let message = format!(
        "there is no GatewayExtension `{namespace}/{}`",
        reference.name
    );
    let elsewhere = extensions.keys().find(|(_, name)| *name == reference.name);
    let help = match elsewhere {
        Some((other, _)) => {
            format!("there is one in namespace `{other}`: add `namespace: {other}`, or move it")
        }
        None => "load the GatewayExtension too, or correct the name".to_owned(),
    };
    let error = Diagnostic::error("missing-reference", message.clone())
        .at(reference.span)
        .help(help);
    diags.push(error.about(policy.object.reference()));
    message.into()
}

fn on_gateways<'a>(
    policy: &'a Traffic<'a>,
    target: &Spanned<Target>,
    effect: &Effect,
    scene: &Scene<'_>,
    places: &mut Places<'a, (GatewayKey, Option<Arc<str>>)>,
    diags: &mut Diagnostics,
) {
    let namespace = &policy.object.namespace;
    let chosen = |name: &Arc<str>| is_chosen(target, name, Kind::Gateway, namespace, scene.objects);
    let mut reached = false;
    for gateway in scene
        .gateways
        .iter()
        .filter(|it| it.key.namespace == *namespace)
    {
        let section_exists = target
            .section
            .as_ref()
            .is_none_or(|section| gateway.listeners.contains(section));
        if chosen(&gateway.key.name) && section_exists {
            reached = true;
            take(
                (gateway.key.clone(), target.section.clone()),
                policy,
                effect,
                places,
                diags,
            );
        }
    }
    if !reached {
        let elsewhere = scene.gateways.iter().find(|it| chosen(&it.key.name));
        report(
            policy,
            target,
            "Gateway",
            elsewhere.map(|it| &it.key.namespace),
            diags,
        );
    }
}

fn on_routes<'a>(
    policy: &'a Traffic<'a>,
    target: &Spanned<Target>,
    kind: &'static str,
    effect: &Effect,
    scene: &Scene<'_>,
    places: &mut Places<'a, (RouteKey, Option<usize>)>,
    diags: &mut Diagnostics,
) {
    let namespace = &policy.object.namespace;
    let object_kind = if kind == "GRPCRoute" {
        Kind::GrpcRoute
    } else {
        Kind::HttpRoute
    };
    let chosen = |name: &Arc<str>| is_chosen(target, name, object_kind, namespace, scene.objects);
    let of_kind = || {
        scene
            .routes
            .iter()
            .filter(|it| it.key.kind == kind && chosen(&it.key.name))
    };
    let mut reached = false;
    for route in of_kind().filter(|it| it.key.namespace == *namespace) {
        match &target.section {
            None => {
                reached = true;
                take((route.key.clone(), None), policy, effect, places, diags);
            }
            Some(section) => {
                for (rule, _) in route
                    .rules
                    .iter()
                    .enumerate()
                    .filter(|(_, it)| it.as_ref() == Some(section))
                {
                    reached = true;
                    take(
                        (route.key.clone(), Some(rule)),
                        policy,
                        effect,
                        places,
                        diags,
                    );
                }
            }
        }
    }
    if !reached {
        report(
            policy,
            target,
            kind,
            of_kind().map(|it| &it.key.namespace).next(),
            diags,
        );
    }
}

/// Whether a target means the object of this name.
fn is_chosen(
    target: &Target,
    name: &Arc<str>,
    kind: Kind,
    namespace: &Arc<str>,
    objects: &Objects,
) -> bool {
    match &target.which {
        Which::Name(wanted) => wanted == name,
        Which::Labels(labels) => objects
            .of(kind)
            .filter(|it| it.name == *name && it.namespace == *namespace)
            .any(|it| {
                labels
                    .iter()
                    .all(|(key, value)| it.label(&key.text) == Some(&**value))
            }),
    }
}

fn take<'a, K: Ord>(
    place: K,
    policy: &'a Traffic<'a>,
    effect: &Effect,
    places: &mut Places<'a, K>,
    diags: &mut Diagnostics,
) {
    if let Some((winner, _)) = places.get(&place) {
        if std::ptr::eq(*winner, policy) {
            return;
        }
        let (ours, theirs) = (&policy.object, &winner.object);
        let message = format!(
            "this policy is overridden where TrafficPolicy `{}/{}`, which comes first, says the same",
            theirs.namespace, theirs.name
        );
        let warning = Diagnostic::warning("policy-overridden", message).at(ours.name_span);
        let help = "policies are not combined: the oldest of a level decides alone";
        diags.push(
            warning
                .about(ours.reference())
                .related(theirs.name_span, "the winner")
                .help(help),
        );
        return;
    }
    places.insert(place, (policy, effect.clone()));
}

/// Never silent: a target that is not there (decision P4).
fn report(
    policy: &Traffic<'_>,
    target: &Spanned<Target>,
    kind: &str,
    elsewhere: Option<&Arc<str>>,
    diags: &mut Diagnostics,
) {
    let namespace = &policy.object.namespace;
    let section = target
        .section
        .as_ref()
        .map(|it| format!(" with a section `{it}`"));
    let what = match &target.which {
        Which::Name(name) => format!("no {kind} `{namespace}/{name}`"),
        Which::Labels(_) => format!("no {kind} with these labels in namespace `{namespace}`"),
    };
    let message = format!(
        "this policy protects nothing here, because there is {what}{}",
        section.unwrap_or_default()
    );
    let help = match elsewhere {
        Some(other) if other != namespace => {
            format!(
                "there is one in namespace `{other}`: a policy must lie in the namespace of its target"
            )
        }
        _ => "correct the target, or load it too".to_owned(),
    };
    let warning = Diagnostic::warning("policy-without-target", message)
        .at(target.span)
        .help(help);
    diags.push(warning.about(policy.object.reference()));
}
