//! `jwt` extensions, compiled, and what a TrafficPolicy's `jwtAuth` makes of them.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::authn::{Family, Missing, Requirement, TokenRule};
use countersign_core::id::RequirementId;
use countersign_jose::ZeroExp;

use super::extension::{Extension, ProviderSpec, extension};
use super::traffic::{ExtensionRef, JwtAuth};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::{Kind, Object};
use crate::policy::Scene;
use crate::policy::builder::{Builder, NewProvider};
use crate::policy::effect::Jwt;
use crate::policy::keys::resolve;
use crate::policy::tokens::exact;
use crate::read::Spanned;

/// All extensions of a load, by namespace and name: compiled, with what each demands, or why it is closed.
pub(super) struct Extensions {
    compiled: HashMap<(Arc<str>, Arc<str>), Compiled>,
}

type Compiled = Result<(RequirementId, Vec<Arc<str>>), Arc<str>>;

impl Extensions {
    pub(super) fn compile(
        scene: &Scene<'_>,
        builder: &mut Builder,
        diags: &mut Diagnostics,
    ) -> Extensions {
        let mut compiled = HashMap::new();
        for object in scene.objects.of(Kind::GatewayExtension) {
            let key = (object.namespace.clone(), object.name.clone());
            let result = match extension(object, diags) {
                Some(it) => compile(&it, scene, builder, diags),
                None => Err(format!("GatewayExtension `{}` cannot be used", object.name).into()),
            };
            compiled.insert(key, result);
        }
        Extensions { compiled }
    }

    /// What a policy demands where it holds.
    pub(super) fn jwt(&self, policy: &Object, jwt: &JwtAuth, diags: &mut Diagnostics) -> Jwt {
        let reference = match jwt {
            JwtAuth::Disable => return Jwt::none(policy),
            JwtAuth::Extension(reference) => reference,
        };
        let namespace = reference.namespace.as_ref().unwrap_or(&policy.namespace);
        let found = self
            .compiled
            .get(&(namespace.clone(), reference.name.clone()));
        match found {
            Some(Ok((id, demands))) => Jwt::required(policy, *id, demands.clone()),
            Some(Err(why)) => Jwt::closed(policy, why.clone()),
            None => {
                let why = self.missing(policy, reference, namespace, diags);
                Jwt::closed(policy, why)
            }
        }
    }

    fn missing(
        &self,
        policy: &Object,
        reference: &Spanned<ExtensionRef>,
        namespace: &Arc<str>,
        diags: &mut Diagnostics,
    ) -> Arc<str> {
        let message = format!(
            "there is no GatewayExtension `{namespace}/{}`",
            reference.name
        );
        let mut keys = self.compiled.keys();
        let help = match keys.find(|(_, name)| *name == reference.name) {
            Some((other, _)) => {
                format!("there is one in namespace `{other}`: add `namespace: {other}`, or move it")
            }
            None => "load the GatewayExtension too, or correct the name".to_owned(),
        };
        let error = Diagnostic::error("missing-reference", message.clone())
            .at(reference.span)
            .help(help);
        diags.push(error.about(policy.reference()));
        message.into()
    }
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
        match rule(spec, object, scene, builder, diags) {
            Ok(rule) => rules.push(rule),
            Err(why) => closed = Some(why),
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

/// A provider as a rule, or why the extension is closed.
fn rule(
    spec: &Spanned<ProviderSpec>,
    object: &Object,
    scene: &Scene<'_>,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> Result<TokenRule, Arc<str>> {
    let part = format!("providers[{}]", spec.name);
    let origin = Arc::new(object.origin.part(part, spec.span.start.line));
    let keys = spec.keys.as_ref().ok_or("a provider has no keys")?;
    let keys = resolve(keys, object, scene, diags)?;
    let provider = builder.provider(NewProvider {
        origin: origin.clone(),
        span: spec.span,
        name: format!("{}/{}/{}", object.namespace, object.name, spec.name).into(),
        issuer: spec.issuer.clone(),
        audiences: exact(&spec.audiences),
        zero_exp: ZeroExp::Expired,
        skew: spec.skew,
        keys,
        unavailable: "Jwks remote fetch is failed",
    });
    Ok(TokenRule {
        origin,
        provider,
        sources: spec.sources.clone(),
        forward: spec.forward,
        payload_header: None,
        claim_headers: spec.claim_headers.clone(),
        space_delimited: Box::default(),
        required: false,
    })
}
