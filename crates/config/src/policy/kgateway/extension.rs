//! `GatewayExtension.spec.jwt`, read and checked by itself.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::authn::{ClaimHeader, Missing};
use countersign_core::source::Source;

use super::jwks::jwks;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::Object;
use crate::policy::keys::KeySpec;
use crate::policy::tokens::{check_audiences, claim_header, claim_path, issuer, output_header};
use crate::read::{
    Fields, Spanned, any_string, boolean, choice, duration_in, header_name, list_in, spanned,
    string_of,
};
use crate::yaml::Node;

/// A jwt extension.
pub(super) struct Extension<'a> {
    pub(super) object: &'a Object,
    pub(super) missing: Missing,
    /// Sorted by name, which is the order in which Envoy tries them.
    pub(super) providers: Vec<Spanned<ProviderSpec>>,
}

/// An entry of `providers`.
pub(super) struct ProviderSpec {
    pub(super) name: Arc<str>,
    pub(super) issuer: Option<Arc<str>>,
    pub(super) audiences: Vec<Arc<str>>,
    pub(super) sources: Box<[Source]>,
    pub(super) claim_headers: Box<[ClaimHeader]>,
    pub(super) forward: bool,
    /// Seconds.
    pub(super) skew: u64,
    pub(super) keys: Option<KeySpec>,
}

const MODES: &[(&str, Missing)] = &[
    ("Strict", Missing::Refuse),
    ("AllowMissing", Missing::Anonymous),
];
const TYPES: &[(&str, &str)] = &[
    ("ExtAuth", "extAuth"),
    ("ExtProc", "extProc"),
    ("RateLimit", "rateLimit"),
    ("JWT", "jwt"),
    ("OAuth2", "oauth2"),
];

/// Reads an extension. `None` where it is not one that can be attached.
pub(super) fn extension<'a>(object: &'a Object, diags: &mut Diagnostics) -> Option<Extension<'a>> {
    let mut fields = object.fields(diags);
    let (missing, mut providers) = fields.required("spec", spec)?;
    providers.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in providers.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            let message = format!("there are two providers {}", quoted(&first.name));
            let error = Diagnostic::error("duplicate-provider", message).at(second.span);
            fields.diags().push(
                error
                    .related(first.span, "the other one")
                    .help("rename one of them"),
            );
        }
    }
    Some(Extension {
        object,
        missing,
        providers,
    })
}

type Spec = (Missing, Vec<Spanned<ProviderSpec>>);

fn spec(node: &Node, diags: &mut Diagnostics) -> Option<Spec> {
    let mut fields = Fields::of(node, "GatewayExtension.spec", diags)?;
    let kind = fields.optional("type", spanned(choice(TYPES)));
    if let Some(kind) = kind
        && !fields.has(kind.value)
    {
        let message = format!("`type` announces `{}`, which is not there", kind.value);
        let error = Diagnostic::error("missing-field", message).at(kind.span);
        fields
            .diags()
            .push(error.help("leave `type` out: it is deprecated and does nothing"));
    }
    for other in ["extAuth", "extProc", "rateLimit", "oauth2"] {
        fields.unsupported(other, "only `jwt` extensions are supported so far");
    }
    let unsupported = ["extAuth", "extProc", "rateLimit", "oauth2"]
        .iter()
        .any(|it| fields.has(it));
    if unsupported && !fields.has("jwt") {
        return None;
    }
    fields.required("jwt", jwt)
}

fn jwt(node: &Node, diags: &mut Diagnostics) -> Option<Spec> {
    let mut fields = Fields::of(node, "GatewayExtension.spec.jwt", diags)?;
    let missing = match fields.optional("validationMode", choice(MODES)) {
        Some(mode) => mode,
        // Absent, or no mode at all: the stricter one, which is also the default.
        None => Missing::Refuse,
    };
    let providers = fields.optional("providers", list_in(0..=32, spanned(provider)));
    Some((missing, providers.unwrap_or_default()))
}

fn provider(node: &Node, diags: &mut Diagnostics) -> Option<ProviderSpec> {
    check_audiences(node, false, diags);
    let mut fields = Fields::of(node, "providers", diags)?;
    let name = fields.required("name", string_of(1..=253));
    let issuer = fields
        .optional("issuer", issuer)
        .filter(|it| !it.is_empty());
    let audiences = fields.optional("audiences", list_in(1..=32, string_of(1..=2048)));
    let refused = audiences.is_none() && fields.has("audiences");
    let source = fields.optional("tokenSource", token_source);
    let refused = refused || (source.is_none() && fields.has("tokenSource"));
    let claims = fields.optional("claimsToHeaders", list_in(1..=32, claim_to_header));
    let keys = fields.required("jwks", jwks);
    let whole_seconds = duration_in(Duration::ZERO..=Duration::from_secs(86_400));
    let skew = fields.optional("clockSkew", spanned(whole_seconds));
    if let Some(skew) = &skew
        && skew.subsec_nanos() != 0
    {
        let error =
            Diagnostic::error("invalid-value", "clockSkew takes whole seconds").at(skew.span);
        fields
            .diags()
            .push(error.help("write seconds, minutes or hours, such as `90s`"));
    }
    let forward = fields.optional("forwardToken", boolean).unwrap_or(false);
    fields.finish();
    if refused {
        return None;
    }
    Some(ProviderSpec {
        name: name?,
        issuer,
        audiences: audiences.unwrap_or_default(),
        sources: source.map_or_else(|| Source::defaults().into(), |source| [source].into()),
        claim_headers: claims.unwrap_or_default().into(),
        forward,
        skew: skew.map_or(60, |it| it.as_secs()),
        keys,
    })
}

fn token_source(node: &Node, diags: &mut Diagnostics) -> Option<Source> {
    let mut fields = Fields::of(node, "tokenSource", diags)?;
    match fields.exactly_one(&["header", "queryParameter"])? {
        "header" => fields.optional("header", header_source),
        _ => fields
            .optional("queryParameter", string_of(1..=2048))
            .map(|name| Source::Query((&*name).into())),
    }
}

fn header_source(node: &Node, diags: &mut Diagnostics) -> Option<Source> {
    let mut fields = Fields::of(node, "tokenSource.header", diags)?;
    let name = fields.required("header", header_name);
    let prefix = fields.optional("prefix", any_string).unwrap_or_default();
    Some(Source::Header {
        name: name?.as_str().into(),
        prefix: (&*prefix).into(),
    })
}

fn claim_to_header(node: &Node, diags: &mut Diagnostics) -> Option<ClaimHeader> {
    let mut fields = Fields::of(node, "claimsToHeaders", diags)?;
    let claim = fields.required("name", claim_path);
    let header = fields.required("header", output_header);
    // The client's copy is always taken away first (decision T7), so both values mean the same.
    fields.optional("overwrite", boolean);
    claim_header(header, claim)
}
