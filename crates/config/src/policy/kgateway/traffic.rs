//! `TrafficPolicy.spec`, read and checked by itself.

use std::sync::Arc;

use super::rbac::{Rbac, rbac};
use crate::diagnostic::Diagnostics;
use crate::object::Object;
use crate::policy::targets::{Target, targets};
use crate::policy::tokens::without_effect;
use crate::read::{Fields, Spanned, dns_label, dns_subdomain, spanned};
use crate::yaml::Node;

/// A TrafficPolicy.
pub(super) struct Traffic<'a> {
    pub(super) object: &'a Object,
    pub(super) targets: Vec<Spanned<Target>>,
    pub(super) jwt: Option<JwtAuth>,
    pub(super) rbac: Option<Spanned<Rbac>>,
}

/// `jwtAuth`.
pub(super) enum JwtAuth {
    Extension(Spanned<ExtensionRef>),
    Disable,
}

/// `jwtAuth.extensionRef`.
pub(super) struct ExtensionRef {
    pub(super) name: Arc<str>,
    pub(super) namespace: Option<Arc<str>>,
}

/// What a TrafficPolicy can do elsewhere. Each would change who gets in or
/// what reaches the upstream, so none may be passed over.
const UNSUPPORTED: &[&str] = &[
    "acl",
    "ai",
    "apiKeyAuth",
    "autoHostRewrite",
    "basicAuth",
    "buffer",
    "compression",
    "cors",
    "csrf",
    "extAuth",
    "extProc",
    "faultInjection",
    "hashPolicies",
    "headerModifiers",
    "oauth2",
    "rateLimit",
    "retry",
    "timeouts",
    "tracing",
    "transformation",
    "urlRewrite",
];

/// What it can do here.
const ENFORCED: &[&str] = &["jwtAuth", "rbac"];

/// Reads a policy.
pub(super) fn traffic<'a>(object: &'a Object, diags: &mut Diagnostics) -> Option<Traffic<'a>> {
    let mut fields = object.fields(diags);
    let (targets, jwt, rbac) = fields.required("spec", |node, diags| {
        let written = ENFORCED.iter().chain(UNSUPPORTED);
        if !written.clone().any(|it| present(node, it)) {
            diags.push(without_effect("`jwtAuth` or `rbac`", object.name_span));
        }
        spec(node, diags)
    })?;
    Some(Traffic {
        object,
        targets,
        jwt,
        rbac,
    })
}

type Spec = (Vec<Spanned<Target>>, Option<JwtAuth>, Option<Spanned<Rbac>>);

fn spec(node: &Node, diags: &mut Diagnostics) -> Option<Spec> {
    let mut fields = Fields::of(node, "TrafficPolicy.spec", diags)?;
    let targets = targets(&mut fields, "a TrafficPolicy", &[]);
    let jwt = fields.optional("jwtAuth", jwt_auth);
    let rbac = fields.optional("rbac", spanned(rbac));
    for name in UNSUPPORTED {
        let help = "leave it out; only `jwtAuth` and `rbac` are enforced so far";
        fields.unsupported(name, help);
    }
    let refused =
        (jwt.is_none() && fields.has("jwtAuth")) || (rbac.is_none() && fields.has("rbac"));
    fields.finish();
    (!refused).then_some((targets, jwt, rbac))
}

fn present(node: &Node, name: &str) -> bool {
    node.child(name).is_some_and(|it| !it.is_null())
}

fn jwt_auth(node: &Node, diags: &mut Diagnostics) -> Option<JwtAuth> {
    let mut fields = Fields::of(node, "jwtAuth", diags)?;
    match fields.exactly_one(&["extensionRef", "disable"])? {
        "disable" => fields.optional("disable", |node, diags| {
            Fields::of(node, "jwtAuth.disable", diags).map(|_| JwtAuth::Disable)
        }),
        _ => fields
            .optional("extensionRef", spanned(extension_ref))
            .map(JwtAuth::Extension),
    }
}

fn extension_ref(node: &Node, diags: &mut Diagnostics) -> Option<ExtensionRef> {
    let mut fields = Fields::of(node, "extensionRef", diags)?;
    let name = fields.required("name", dns_subdomain);
    let namespace = fields.optional("namespace", dns_label);
    Some(ExtensionRef {
        name: name?,
        namespace,
    })
}
