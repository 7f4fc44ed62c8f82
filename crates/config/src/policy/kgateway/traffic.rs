//! `TrafficPolicy.spec`, read and checked by itself.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;
use crate::policy::tokens::without_effect;
use crate::read::{
    Fields, Spanned, any_string, dns_label, dns_subdomain, list_in, map, spanned, string,
};
use crate::yaml::{Key, Node};

/// A TrafficPolicy.
pub(super) struct Traffic<'a> {
    pub(super) object: &'a Object,
    pub(super) targets: Vec<Spanned<Target>>,
    pub(super) jwt: Option<JwtAuth>,
}

/// One `targetRefs` or `targetSelectors` entry.
pub(super) struct Target {
    pub(super) kind: TargetKind,
    pub(super) which: Which,
    /// A listener of a Gateway, a rule of a route.
    pub(super) section: Option<Arc<str>>,
}

/// Kinds that jwtAuth can be attached to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    Gateway,
    Route(&'static str),
}

/// By name, or by labels.
pub(super) enum Which {
    Name(Arc<str>),
    Labels(Vec<(Key, Arc<str>)>),
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
    "rbac",
    "retry",
    "timeouts",
    "tracing",
    "transformation",
    "urlRewrite",
];

/// Reads a policy.
pub(super) fn traffic<'a>(object: &'a Object, diags: &mut Diagnostics) -> Option<Traffic<'a>> {
    let mut fields = object.fields(diags);
    let (targets, jwt) = fields.required("spec", |node, diags| {
        let read = spec(node, diags);
        let silent = matches!(read, Some((_, None)));
        if silent && !UNSUPPORTED.iter().any(|it| present(node, it)) {
            diags.push(without_effect("`jwtAuth`", object.name_span));
        }
        read
    })?;
    Some(Traffic {
        object,
        targets,
        jwt,
    })
}

type Spec = (Vec<Spanned<Target>>, Option<JwtAuth>);

fn spec(node: &Node, diags: &mut Diagnostics) -> Option<Spec> {
    let mut fields = Fields::of(node, "TrafficPolicy.spec", diags)?;
    let refs = fields.optional("targetRefs", list_in(1..=16, spanned(target_ref)));
    let selectors = fields.optional("targetSelectors", list_in(1..=16, spanned(target_selector)));
    let jwt = fields.optional("jwtAuth", jwt_auth);
    let refused = jwt.is_none() && fields.has("jwtAuth");
    for name in UNSUPPORTED {
        fields.unsupported(name, "leave it out; only `jwtAuth` is enforced so far");
    }
    fields.finish();
    let targets = refs
        .unwrap_or_default()
        .into_iter()
        .chain(selectors.unwrap_or_default());
    (!refused).then(|| (targets.collect(), jwt))
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

fn target_ref(node: &Node, diags: &mut Diagnostics) -> Option<Target> {
    let mut fields = Fields::of(node, "targetRefs", diags)?;
    let kind = kind(&mut fields);
    let name = fields.required("name", dns_subdomain);
    let section = fields.optional("sectionName", string);
    fields.unsupported("namespace", "a target lies in the namespace of its policy");
    Some(Target {
        kind: kind?,
        which: Which::Name(name?),
        section,
    })
}

fn target_selector(node: &Node, diags: &mut Diagnostics) -> Option<Target> {
    let mut fields = Fields::of(node, "targetSelectors", diags)?;
    let kind = kind(&mut fields);
    let labels = fields.required("matchLabels", map(any_string));
    let section = fields.optional("sectionName", string);
    Some(Target {
        kind: kind?,
        which: Which::Labels(labels?),
        section,
    })
}

fn kind(fields: &mut Fields<'_, '_>) -> Option<TargetKind> {
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
    let message = format!(
        "a TrafficPolicy cannot target `{}/{}` here",
        group.value, kind.value
    );
    let error = Diagnostic::error("invalid-value", message).at(kind.span);
    let help = "target a Gateway, HTTPRoute or GRPCRoute of group `gateway.networking.k8s.io`";
    fields.diags().push(error.help(help));
    None
}
