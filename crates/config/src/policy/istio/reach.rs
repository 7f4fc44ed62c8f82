//! Which gateways a policy holds on, and why on none (Istio's rules; decision P4).

use std::sync::Arc;

use super::target::{Target, TargetRef};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::Object;
use crate::policy::{GatewayInfo, Mesh, Scene};

/// Whether a policy holds on a gateway.
pub(super) fn applies(
    object: &Object,
    target: &Target,
    gateway: &GatewayInfo,
    mesh: &Mesh,
) -> bool {
    let own = object.namespace == gateway.key.namespace;
    let root = object.namespace == mesh.root_namespace;
    match target {
        Target::Namespace => own || root,
        Target::Labels(_) => (own || root) && selects(target, gateway),
        // A reference reaches into its own namespace only, from the root namespace too.
        Target::References(_) => own && selects(target, gateway),
    }
}

/// Whether the target alone fits, wherever the gateway lies.
fn selects(target: &Target, gateway: &GatewayInfo) -> bool {
    match target {
        Target::Namespace => true,
        Target::Labels(labels) => labels
            .iter()
            .all(|(key, value)| gateway.labels.get(&key.text) == Some(value)),
        Target::References(targets) => targets.iter().any(|it| names(it, gateway)),
    }
}

fn names(target: &TargetRef, gateway: &GatewayInfo) -> bool {
    &*target.kind == "Gateway" && target.name == gateway.key.name
}

/// Whether a policy holds anywhere. Never silent: one that does not is a warning that says why, and so is a target of
/// several that is not there.
pub(super) fn report(
    object: &Object,
    target: &Target,
    scene: &Scene<'_>,
    mesh: &Mesh,
    diags: &mut Diagnostics,
) -> bool {
    let warning = |message: String, at| {
        let help = "put it in the Gateway's namespace, with a targetRef or labels of that Gateway";
        let warning = Diagnostic::warning("policy-without-target", message).at(at);
        warning.about(object.reference()).help(help)
    };
    let gateways = &scene.gateways;
    if !gateways
        .iter()
        .any(|gateway| applies(object, target, gateway, mesh))
    {
        let why = why_unreached(object, target, gateways);
        let message = format!("this policy protects nothing here, because {why}");
        diags.push(warning(message, object.name_span));
        return false;
    }
    if let Target::References(targets) = target {
        let here = |it: &&GatewayInfo| it.key.namespace == object.namespace;
        for lost in targets
            .iter()
            .filter(|it| !gateways.iter().filter(here).any(|one| names(it, one)))
        {
            let why = missing(lost, &object.namespace);
            let message = format!("this target of the policy protects nothing here, because {why}");
            diags.push(warning(message, lost.span));
        }
    }
    true
}

fn why_unreached(object: &Object, target: &Target, gateways: &[GatewayInfo]) -> String {
    let namespace = &object.namespace;
    // Whoever writes such a policy beside an application most often means the gateway in front of it.
    let elsewhere = gateways.iter().find(|it| match target {
        Target::Namespace => false,
        _ => selects(target, it),
    });
    let elsewhere = elsewhere.map_or_else(String::new, |it| {
        let key = &it.key;
        format!(
            "; Gateway `{}/{}` lies in another namespace, where the policy cannot reach it",
            key.namespace, key.name
        )
    });
    let why = match target {
        Target::Namespace => format!("no Gateway lies in namespace `{namespace}`"),
        Target::Labels(labels) => {
            let labels: Vec<String> = labels
                .iter()
                .map(|(key, value)| format!("{}={value}", key.text))
                .collect();
            format!(
                "no Gateway that it can reach has the labels {}",
                quoted(&labels.join(","))
            )
        }
        Target::References(targets) => {
            let all = targets.iter().map(|it| missing(it, namespace));
            all.collect::<Vec<_>>().join(", and ")
        }
    };
    why + &elsewhere
}

/// Why a target is not there.
fn missing(target: &TargetRef, namespace: &Arc<str>) -> String {
    match &*target.kind {
        "Gateway" => format!("there is no Gateway {namespace}/{}", target.name),
        "GatewayClass" => "a GatewayClass is a target for waypoints alone".to_owned(),
        kind => format!("a policy of a {kind} holds in the mesh, not on a gateway"),
    }
}
