//! `traffic.jwtAuthentication`: read, and compiled to a token requirement.

use std::sync::Arc;

use countersign_core::authn::{Bad, Family, Missing, Requirement, TokenRule};
use countersign_core::source::Source;
use countersign_jose::ZeroExp;

use super::jwks::jwks;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;
use crate::policy::Scene;
use crate::policy::builder::{Builder, NewProvider};
use crate::policy::effect::Jwt;
use crate::policy::keys::{KeySpec, resolve};
use crate::policy::tokens::{check_audiences, exact, issuer};
use crate::read::{Fields, Spanned, choice, header_name, list_in, spanned, string_of};
use crate::yaml::Node;

/// What it says.
pub(super) struct JwtAuthentication {
    mode: Mode,
    providers: Vec<Spanned<Provider>>,
    source: Source,
}

/// `mode`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// There must be a valid token.
    Strict,
    /// A token that is there must be valid.
    Optional,
    /// A token that is not valid counts as none.
    Permissive,
}

struct Provider {
    issuer: Arc<str>,
    audiences: Vec<Arc<str>>,
    keys: KeySpec,
}

const MODES: &[(&str, Mode)] = &[
    ("Strict", Mode::Strict),
    ("Optional", Mode::Optional),
    ("Permissive", Mode::Permissive),
];

/// Seconds by which clocks may differ (decision T11).
const SKEW: u64 = 60;

/// Reads it.
pub(super) fn jwt_authentication(
    node: &Node,
    diags: &mut Diagnostics,
) -> Option<JwtAuthentication> {
    let mut fields = Fields::of(node, "traffic.jwtAuthentication", diags)?;
    let mode = fields.optional("mode", choice(MODES));
    let refused = mode.is_none() && fields.has("mode");
    let providers = fields.required("providers", list_in(1..=64, spanned(provider)));
    let source = fields.optional("location", location);
    let refused = refused || (source.is_none() && fields.has("location"));
    fields.unsupported(
        "mcp",
        "leave it out; metadata for MCP clients is not served",
    );
    fields.finish();
    let providers = providers.filter(|_| !refused)?;
    Some(JwtAuthentication {
        mode: mode.unwrap_or(Mode::Strict),
        providers,
        source: source.unwrap_or_else(bearer),
    })
}

fn provider(node: &Node, diags: &mut Diagnostics) -> Option<Provider> {
    check_audiences(node, false, diags);
    let mut fields = Fields::of(node, "jwtAuthentication.providers", diags)?;
    let issuer = fields.required("issuer", |node, diags| {
        string_of(1..=2048)(node, diags)?;
        issuer(node, diags)
    });
    let audiences = fields.optional("audiences", list_in(1..=64, string_of(1..=2048)));
    let refused = audiences.is_none() && fields.has("audiences");
    let keys = fields.required("jwks", jwks);
    fields.finish();
    if refused {
        return None;
    }
    Some(Provider {
        issuer: issuer?,
        audiences: audiences.unwrap_or_default(),
        keys: keys?,
    })
}

/// Where a token stands if `location` does not say.
fn bearer() -> Source {
    Source::Header {
        name: "authorization".into(),
        prefix: "Bearer ".into(),
    }
}

fn location(node: &Node, diags: &mut Diagnostics) -> Option<Source> {
    const PLACES: [&str; 4] = ["header", "queryParameter", "cookie", "expression"];
    let mut fields = Fields::of(node, "jwtAuthentication.location", diags)?;
    let place = fields.exactly_one(&PLACES)?;
    let named = |node: &Node, diags: &mut Diagnostics| named(node, place, diags);
    match place {
        "header" => fields.optional("header", header),
        "queryParameter" => fields.optional("queryParameter", named).map(Source::Query),
        "cookie" => fields.optional("cookie", named).map(Source::Cookie),
        _ => {
            let help = "name a header, a query parameter or a cookie";
            fields.unsupported("expression", help);
            None
        }
    }
}

fn header(node: &Node, diags: &mut Diagnostics) -> Option<Source> {
    let mut fields = Fields::of(node, "jwtAuthentication.location.header", diags)?;
    let name = fields.required("name", header_name);
    let prefix = fields.optional("prefix", string_of(1..=256));
    let refused = prefix.is_none() && fields.has("prefix");
    fields.finish();
    let name = name.filter(|_| !refused)?;
    Some(Source::Header {
        name: name.as_str().into(),
        prefix: prefix.as_deref().unwrap_or_default().into(),
    })
}

fn named(node: &Node, place: &str, diags: &mut Diagnostics) -> Option<Box<str>> {
    let at = match place {
        "cookie" => "jwtAuthentication.location.cookie",
        _ => "jwtAuthentication.location.queryParameter",
    };
    let mut fields = Fields::of(node, at, diags)?;
    let name = fields.required("name", string_of(1..=256))?;
    Some((&*name).into())
}

impl Spanned<JwtAuthentication> {
    /// The requirement that it makes, or why it is closed.
    pub(super) fn compile(
        &self,
        policy: &Object,
        scene: &Scene<'_>,
        builder: &mut Builder,
        diags: &mut Diagnostics,
    ) -> Jwt {
        let mut rules = Vec::new();
        let mut closed = None;
        for (index, spec) in self.providers.iter().enumerate() {
            match self.rule(index, spec, policy, scene, builder, diags) {
                Ok(rule) => rules.push(rule),
                Err(why) => closed = Some(why),
            }
        }
        if let Some(why) = closed {
            return Jwt::closed(policy, why);
        }
        let line = self.span.start.line;
        let origin = Arc::new(policy.origin.part("traffic.jwtAuthentication", line));
        let missing = match self.mode {
            Mode::Strict => Missing::Refuse,
            Mode::Optional | Mode::Permissive => Missing::Anonymous,
        };
        let requirement = Requirement::new(origin, rules, missing, Family::Agentgateway);
        let requirement = match self.mode {
            Mode::Permissive => requirement.with_bad(Bad::Disregard),
            Mode::Strict | Mode::Optional => requirement,
        };
        self.tell_mode(policy, diags);
        let id = builder.requirement(requirement);
        Jwt::required(policy, id, builder.demands(id))
    }

    fn rule(
        &self,
        index: usize,
        spec: &Spanned<Provider>,
        policy: &Object,
        scene: &Scene<'_>,
        builder: &mut Builder,
        diags: &mut Diagnostics,
    ) -> Result<TokenRule, Arc<str>> {
        let part = format!("traffic.jwtAuthentication.providers[{index}]");
        let origin = Arc::new(policy.origin.part(part, spec.span.start.line));
        let keys = resolve(&spec.keys, policy, scene, diags)?;
        let provider = builder.provider(NewProvider {
            origin: origin.clone(),
            span: spec.span,
            name: format!("{}/{}/{index}", policy.namespace, policy.name).into(),
            issuer: Some(spec.issuer.clone()),
            audiences: exact(&spec.audiences),
            zero_exp: ZeroExp::Expired,
            skew: SKEW,
            keys,
            unavailable: "Jwks remote fetch is failed",
        });
        Ok(TokenRule {
            origin,
            provider,
            sources: [self.source.clone()].into(),
            forward: false,
            payload_header: None,
            claim_headers: Box::default(),
            space_delimited: Box::default(),
            required: false,
        })
    }

    /// Says who gets in without a valid token.
    fn tell_mode(&self, policy: &Object, diags: &mut Diagnostics) {
        let message = match self.mode {
            Mode::Strict => return,
            Mode::Optional => "requests without a token are let through: `mode` is `Optional`",
            Mode::Permissive => {
                "requests are let through whatever their token is worth: `mode` is `Permissive`"
            }
        };
        let warning = Diagnostic::warning("anonymous-allowed", message).at(self.span);
        let help = "write `mode: Strict`, or keep strangers out with `traffic.authorization`";
        diags.push(warning.about(policy.reference()).help(help));
    }
}
