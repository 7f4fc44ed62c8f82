//! The spec of an AgentgatewayPolicy or EnterpriseAgentgatewayPolicy, read and checked by itself.

use super::authorization::{Authorization, authorization};
use super::jwt::{JwtAuthentication, jwt_authentication};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::{Kind, Object};
use crate::policy::targets::{Target, targets};
use crate::policy::tokens::without_effect;
use crate::read::{Fields, Spanned, choice, spanned};
use crate::yaml::Node;

/// A policy.
pub(super) struct Policy<'a> {
    pub(super) object: &'a Object,
    pub(super) targets: Vec<Spanned<Target>>,
    pub(super) jwt: Option<Spanned<JwtAuthentication>>,
    pub(super) authorization: Option<Spanned<Authorization>>,
}

/// What `traffic` can do elsewhere. Each would change who gets in, or what callers and upstreams see.
const UNSUPPORTED: &[&str] = &[
    "apiKeyAuthentication",
    "basicAuthentication",
    "buffer",
    "cors",
    "csrf",
    "directResponse",
    "entExtAuth",
    "entRateLimit",
    "extAuth",
    "extProc",
    "headerModifiers",
    "hostRewrite",
    "rateLimit",
    "retry",
    "timeouts",
    "transformation",
];

const BACKENDS: &str =
    "policies of backends are not enforced so far; target a Gateway, HTTPRoute or GRPCRoute";

/// Kinds that agentgateway attaches policies to and that nothing is attached to here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("Service", BACKENDS),
    ("AgentgatewayBackend", BACKENDS),
    ("EnterpriseAgentgatewayBackend", BACKENDS),
    ("InferencePool", BACKENDS),
    (
        "ListenerSet",
        "target the Gateway, or a listener of it with `sectionName`",
    ),
];

/// Reads a policy.
pub(super) fn policy<'a>(object: &'a Object, diags: &mut Diagnostics) -> Option<Policy<'a>> {
    let named = match object.kind {
        Kind::EnterpriseAgentgatewayPolicy => "an EnterpriseAgentgatewayPolicy",
        _ => "an AgentgatewayPolicy",
    };
    let mut fields = object.fields(diags);
    let (targets, traffic) = fields.required("spec", |node, diags| {
        let mut fields = Fields::of(node, "AgentgatewayPolicy.spec", diags)?;
        let given = fields.exactly_one(&["targetRefs", "targetSelectors"]);
        let targets = targets(&mut fields, named, ELSEWHERE);
        fields.unsupported("strategy", "leave it out: the nearest policy decides, as by default");
        let help = "leave it out; only `traffic.jwtAuthentication` and `traffic.authorization` are enforced so far";
        for name in ["frontend", "backend"] {
            fields.unsupported(name, help);
        }
        let blank = ["traffic", "frontend", "backend"];
        if !blank.iter().any(|it| fields.has(it)) {
            let warning = without_effect("`traffic`", object.name_span);
            fields.diags().push(warning);
        }
        let traffic = match fields.optional("traffic", |node, diags| traffic(node, object, diags)) {
            Some(traffic) => traffic,
            None if fields.has("traffic") => return None,
            None => (None, None),
        };
        fields.finish();
        given.map(|_| (targets, traffic))
    })?;
    let (jwt, authorization) = traffic;
    Some(Policy {
        object,
        targets,
        jwt,
        authorization,
    })
}

type Traffic = (
    Option<Spanned<JwtAuthentication>>,
    Option<Spanned<Authorization>>,
);

fn traffic(node: &Node, object: &Object, diags: &mut Diagnostics) -> Option<Traffic> {
    let mut fields = Fields::of(node, "AgentgatewayPolicy.spec.traffic", diags)?;
    fields.optional("phase", phase);
    let jwt = fields.optional("jwtAuthentication", spanned(jwt_authentication));
    let authorization = fields.optional("authorization", spanned(authorization));
    for name in UNSUPPORTED {
        let help = "leave it out; only `jwtAuthentication` and `authorization` are enforced so far";
        fields.unsupported(name, help);
    }
    let enforced = ["jwtAuthentication", "authorization"];
    if !enforced.iter().chain(UNSUPPORTED).any(|it| fields.has(it)) {
        let fields_of = "`traffic.jwtAuthentication` or `traffic.authorization`";
        fields
            .diags()
            .push(without_effect(fields_of, object.name_span));
    }
    let refused = (jwt.is_none() && fields.has("jwtAuthentication"))
        || (authorization.is_none() && fields.has("authorization"));
    fields.finish();
    (!refused).then_some((jwt, authorization))
}

/// Policies that run before a route is looked up would have to pass beside those that run after.
fn phase(node: &Node, diags: &mut Diagnostics) -> Option<()> {
    let phase = choice(&[("PostRouting", true), ("PreRouting", false)])(node, diags)?;
    if !phase {
        let message = "phase `PreRouting` is not supported";
        let error = Diagnostic::error("unsupported-field", message).at(node.span);
        let help = "leave `phase` out: policies of a Gateway hold for all its routes, and where none matches";
        diags.push(error.help(help));
    }
    Some(())
}
