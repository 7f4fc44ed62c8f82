//! `targetRefs` and `targetSelectors` of policies that attach to Gateways and routes, and the places that they mean.

use std::sync::Arc;

use super::{GatewayKey, RouteKey, Scene};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::{Kind, Object, Objects};
use crate::read::{Fields, Spanned, any_string, dns_subdomain, list_in, map, spanned, string};
use crate::yaml::{Key, Node};

/// One `targetRefs` or `targetSelectors` entry.
#[derive(Clone, Debug)]
pub(super) struct Target {
    kind: TargetKind,
    which: Which,
    /// A listener of a Gateway, a rule of a route.
    section: Option<Arc<str>>,
}

/// Kinds that policies of requests can be attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetKind {
    Gateway,
    Route(&'static str),
}

/// By name, or by labels.
#[derive(Clone, Debug)]
enum Which {
    Name(Arc<str>),
    Labels(Vec<(Key, Arc<str>)>),
}

/// Where a policy holds. Wider places hold for all that lies within them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A Gateway, or one listener of it.
    Gateway(GatewayKey, Option<Arc<str>>),
    /// A route, or one rule of it.
    Route(RouteKey, Option<usize>),
}

/// Reads both fields of a spec. Kinds that the policy's own system attaches elsewhere are named in `elsewhere`, each with
/// what to do instead.
pub(super) fn targets(
    fields: &mut Fields<'_, '_>,
    policy: &'static str,
    elsewhere: &'static [(&'static str, &'static str)],
) -> Vec<Spanned<Target>> {
    let by_name =
        move |node: &Node, diags: &mut Diagnostics| target_ref(node, policy, elsewhere, diags);
    let by_label =
        move |node: &Node, diags: &mut Diagnostics| target_selector(node, policy, elsewhere, diags);
    let refs = fields.optional("targetRefs", list_in(1..=16, spanned(by_name)));
    let selectors = fields.optional("targetSelectors", list_in(1..=16, spanned(by_label)));
    let refs = refs.unwrap_or_default().into_iter();
    refs.chain(selectors.unwrap_or_default()).collect()
}

fn target_ref(
    node: &Node,
    policy: &'static str,
    elsewhere: &[(&str, &str)],
    diags: &mut Diagnostics,
) -> Option<Target> {
    let mut fields = Fields::of(node, "targetRefs", diags)?;
    let kind = kind(&mut fields, policy, elsewhere);
    let name = fields.required("name", dns_subdomain);
    let section = fields.optional("sectionName", string);
    fields.unsupported("namespace", "a target lies in the namespace of its policy");
    Some(Target {
        kind: kind?,
        which: Which::Name(name?),
        section,
    })
}

fn target_selector(
    node: &Node,
    policy: &'static str,
    elsewhere: &[(&str, &str)],
    diags: &mut Diagnostics,
) -> Option<Target> {
    let mut fields = Fields::of(node, "targetSelectors", diags)?;
    let kind = kind(&mut fields, policy, elsewhere);
    let labels = fields.required("matchLabels", map(any_string));
    let section = fields.optional("sectionName", string);
    Some(Target {
        kind: kind?,
        which: Which::Labels(labels?),
        section,
    })
}

fn kind(
    fields: &mut Fields<'_, '_>,
    policy: &'static str,
    elsewhere: &[(&str, &str)],
) -> Option<TargetKind> {
    let group = fields.required("group", spanned(any_string));
    let kind = fields.required("kind", spanned(string));
    let (group, kind) = (group?, kind?);
    let known = match &*kind.value {
        "Gateway" => Some(TargetKind::Gateway),
        "HTTPRoute" => Some(TargetKind::Route("HTTPRoute")),
        "GRPCRoute" => Some(TargetKind::Route("GRPCRoute")),
        _ => None,
    };
    if known.is_some() && &*group.value == "gateway.networking.k8s.io" {
        return known;
    }
    let named = format!("{}/{}", group.value, kind.value);
    let message = format!("{policy} cannot target {} here", quoted(&named));
    let error = Diagnostic::error("invalid-value", message).at(kind.span);
    let instead = elsewhere.iter().find(|(it, _)| *it == &*kind.value);
    let help = instead.map_or(
        "target a Gateway, HTTPRoute or GRPCRoute of group `gateway.networking.k8s.io`",
        |(_, help)| help,
    );
    fields.diags().push(error.help(help));
    None
}

/// Every place that a policy's targets mean; a target that is not there is reported (decision P4).
pub(super) fn places(
    policy: &Object,
    targets: &[Spanned<Target>],
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Vec<Place> {
    let mut found = Vec::new();
    for target in targets {
        let reached = match target.kind {
            TargetKind::Gateway => gateways(policy, target, scene),
            TargetKind::Route(kind) => routes(policy, target, kind, scene),
        };
        if reached.is_empty() {
            report(policy, target, scene, diags);
        }
        found.extend(reached);
    }
    // Two targets may mean one place.
    found.sort();
    found.dedup();
    found
}

fn gateways(policy: &Object, target: &Target, scene: &Scene<'_>) -> Vec<Place> {
    let own = scene
        .gateways
        .iter()
        .filter(|it| it.key.namespace == policy.namespace);
    let chosen = own.filter(|gateway| {
        let section = target.section.as_ref();
        is_chosen(target, &gateway.key.name, policy, scene.objects)
            && section.is_none_or(|it| gateway.listeners.contains(it))
    });
    chosen
        .map(|it| Place::Gateway(it.key.clone(), target.section.clone()))
        .collect()
}

fn routes(policy: &Object, target: &Target, kind: &'static str, scene: &Scene<'_>) -> Vec<Place> {
    let own = scene.routes.iter().filter(|it| {
        it.key.kind == kind
            && it.key.namespace == policy.namespace
            && is_chosen(target, &it.key.name, policy, scene.objects)
    });
    own.flat_map(|route| {
        let place = |rule| Place::Route(route.key.clone(), rule);
        match &target.section {
            None => vec![place(None)],
            Some(section) => {
                let rules = route.rules.iter().enumerate();
                let named = rules.filter(|(_, it)| it.as_ref() == Some(section));
                named.map(|(index, _)| place(Some(index))).collect()
            }
        }
    })
    .collect()
}

/// Whether a target means the object of this name.
fn is_chosen(target: &Target, name: &Arc<str>, policy: &Object, objects: &Objects) -> bool {
    match &target.which {
        Which::Name(wanted) => wanted == name,
        Which::Labels(labels) => objects
            .of(object_kind(target.kind))
            .filter(|it| it.name == *name && it.namespace == policy.namespace)
            .any(|it| {
                labels
                    .iter()
                    .all(|(key, value)| it.label(&key.text) == Some(&**value))
            }),
    }
}

fn object_kind(kind: TargetKind) -> Kind {
    match kind {
        TargetKind::Gateway => Kind::Gateway,
        TargetKind::Route("GRPCRoute") => Kind::GrpcRoute,
        TargetKind::Route(_) => Kind::HttpRoute,
    }
}

/// Never silent: a target that is not there (decision P4).
fn report(policy: &Object, target: &Spanned<Target>, scene: &Scene<'_>, diags: &mut Diagnostics) {
    let namespace = &policy.namespace;
    let kind = object_kind(target.kind).name();
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
    let help = match elsewhere(target, scene).filter(|it| *it != namespace) {
        Some(other) => format!(
            "there is one in namespace `{other}`: a policy must lie in the namespace of its target"
        ),
        None => "correct the target, or load it too".to_owned(),
    };
    let warning = Diagnostic::warning("policy-without-target", message)
        .at(target.span)
        .help(help);
    diags.push(warning.about(policy.reference()));
}

/// The namespace of an object of that kind and name, wherever it lies.
fn elsewhere<'s>(target: &Target, scene: &'s Scene<'_>) -> Option<&'s Arc<str>> {
    let Which::Name(wanted) = &target.which else {
        return None;
    };
    match target.kind {
        TargetKind::Gateway => {
            let found = scene.gateways.iter().find(|it| it.key.name == *wanted);
            found.map(|it| &it.key.namespace)
        }
        TargetKind::Route(kind) => {
            let mut routes = scene.routes.iter();
            let found = routes.find(|it| it.key.kind == kind && it.key.name == *wanted);
            found.map(|it| &it.key.namespace)
        }
    }
}
