//! One entry of `jwtRules`.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::authn::ClaimHeader;
use countersign_core::source::Source;
use countersign_jose::{KeySet, Symmetric};
use http::HeaderName;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy::key_names::NamedKeys;
use crate::policy::tokens::{
    claim_header, claim_path, is_url, issuer, output_header, report_keys, text_of, url,
};
use crate::read::{
    Fields, any_string, boolean, choice, go_duration_in, header_name, list_in, string,
};
use crate::yaml::Node;

/// What an entry says.
pub(super) struct JwtRule {
    /// `None`: any issuer, or none.
    pub(super) issuer: Option<Arc<str>>,
    pub(super) audiences: Vec<Arc<str>>,
    pub(super) keys: Keys,
    pub(super) sources: Box<[Source]>,
    pub(super) forward: bool,
    pub(super) payload_header: Option<HeaderName>,
    pub(super) claim_headers: Box<[ClaimHeader]>,
    /// Claims that AuthorizationPolicies see split at spaces.
    pub(super) space_delimited: Box<[Box<str>]>,
    pub(super) required: bool,
    /// Of one fetch of the keys.
    pub(super) timeout: Duration,
}

/// Where its keys are.
pub(super) enum Keys {
    Inline(NamedKeys),
    Url(Arc<str>),
    /// Through the issuer's OpenID configuration.
    Issuer(Arc<str>),
}

const PRESENCE: &[(&str, bool)] = &[("OPTIONAL", false), ("REQUIRED", true)];
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads an entry.
pub(super) fn jwt_rule(node: &Node, diags: &mut Diagnostics) -> Option<JwtRule> {
    let mut fields = Fields::of(node, "jwtRules", diags)?;
    let issuer = fields.optional("issuer", issuer);
    let refused = issuer.is_none() && fields.has("issuer");
    let issuer = issuer.filter(|it| !it.is_empty());
    let audiences = fields.list("audiences", string);
    let keys = keys(&mut fields, issuer.as_ref(), refused);
    let headers = fields.list("fromHeaders", from_header);
    let params = fields.list("fromParams", string);
    let cookies = fields.list("fromCookies", string);
    let payload_header = fields.optional("outputPayloadToHeader", output_header);
    let claim_headers = fields.list("outputClaimToHeaders", output_claim);
    let forward = fields
        .optional("forwardOriginalToken", boolean)
        .unwrap_or(false);
    let longest = Duration::from_millis(1)..=Duration::MAX;
    let timeout = fields
        .optional("timeout", go_duration_in(longest))
        .unwrap_or(FETCH_TIMEOUT);
    let split = fields.optional("spaceDelimitedClaims", list_in(0..=64, string));
    let required = fields
        .optional("presence", choice(PRESENCE))
        .unwrap_or(false);
    fields.finish();
    let params = params.iter().map(|name| Source::Query((&**name).into()));
    let cookies = cookies.iter().map(|name| Source::Cookie((&**name).into()));
    let mut sources: Vec<Source> = headers.into_iter().chain(params).chain(cookies).collect();
    if sources.is_empty() {
        // An empty list says as much as an absent one.
        sources = Source::defaults().into();
    }
    Some(JwtRule {
        issuer,
        audiences,
        keys: keys?,
        sources: sources.into(),
        forward,
        payload_header,
        claim_headers: claim_headers.into(),
        space_delimited: split.iter().flatten().map(|it| (&**it).into()).collect(),
        required,
        timeout,
    })
}

/// `jwks`, `jwksUri` (or `jwks_uri`), or neither and the issuer's discovery.
fn keys(fields: &mut Fields<'_, '_>, issuer: Option<&Arc<str>>, refused: bool) -> Option<Keys> {
    let group = ["jwks", "jwksUri", "jwks_uri"];
    match fields.at_most_one(&group) {
        Some("jwks") => fields.optional("jwks", inline).map(Keys::Inline),
        Some(name) => fields.optional(name, url).map(Keys::Url),
        None if refused || group.iter().any(|name| fields.has(name)) => None,
        None => match issuer {
            Some(issuer) => discovery(fields, issuer),
            None => {
                let message = "this rule has neither an issuer nor keys";
                let error = Diagnostic::error("missing-field", message).at(fields.span());
                fields.diags().push(
                    error.help("add `issuer:`, and `jwksUri:` if the issuer has no discovery"),
                );
                None
            }
        },
    }
}

/// Discovery needs an issuer that is a URL.
fn discovery(fields: &mut Fields<'_, '_>, issuer: &Arc<str>) -> Option<Keys> {
    if is_url(issuer) {
        return Some(Keys::Issuer(issuer.clone()));
    }
    let message = "without `jwks` and `jwksUri` the issuer must be a URL, where its OpenID configuration is looked up";
    let at = fields.key("issuer").unwrap_or(fields.span());
    let error = Diagnostic::error("missing-field", message).at(at);
    fields
        .diags()
        .push(error.help("add `jwksUri:` with the URL of the issuer's keys"));
    None
}

fn inline(node: &Node, diags: &mut Diagnostics) -> Option<NamedKeys> {
    string(node, diags)?;
    let text = text_of(node)?;
    match KeySet::from_jwks(text.as_bytes(), Symmetric::Allow) {
        Ok(set) => {
            report_keys(node, &set, diags);
            Some(NamedKeys::inline(text, set))
        }
        Err(error) => {
            let message = format!("this is not a JWK set: {error}");
            let error = Diagnostic::error("invalid-jwks", message).at(node.span);
            diags.push(
                error
                    .help("write the JSON document that the issuer serves: `{\"keys\":[…]}`")
                    .private(),
            );
            None
        }
    }
}

fn from_header(node: &Node, diags: &mut Diagnostics) -> Option<Source> {
    let mut fields = Fields::of(node, "jwtRules.fromHeaders", diags)?;
    let name = fields.required("name", header_name);
    let prefix = fields.optional("prefix", any_string).unwrap_or_default();
    Some(Source::Header {
        name: name?.as_str().into(),
        prefix: (&*prefix).into(),
    })
}

fn output_claim(node: &Node, diags: &mut Diagnostics) -> Option<ClaimHeader> {
    let mut fields = Fields::of(node, "jwtRules.outputClaimToHeaders", diags)?;
    let header = fields.required("header", output_header);
    let claim = fields.required("claim", claim_path);
    claim_header(header, claim)
}
