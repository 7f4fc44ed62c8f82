//! Token requirements: where tokens are looked for, which rules may accept
//! them, and what becomes of their claims.

mod caller;
mod detail;
mod evaluate;
mod find;
mod output;

use std::sync::Arc;

use http::HeaderName;

use crate::id::ProviderId;
use crate::origin::Origin;
use crate::source::Source;

pub use caller::Caller;
pub(crate) use evaluate::one_identity;
pub use evaluate::{Accepted, Evaluation, Step};
pub(crate) use find::without_parameters;
pub use find::{Credentials, remove_query_parameters};
pub use output::{Edits, claim_header_value};

/// What tokens a request must or may carry: the RequestAuthentications of a
/// gateway merged, or one kgateway `jwt` extension.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The policy that put it there.
    pub origin: Arc<Origin>,
    /// Rules, any one of which may accept a token that stands where it looks.
    rules: Box<[TokenRule]>,
    /// Places to look at, in Envoy's order, with the rules that read each.
    places: Box<[Place]>,
    /// What a request without any token gets.
    pub missing: Missing,
    /// What a request with a token that is no good gets.
    pub bad: Bad,
    /// Whose rules these are.
    pub family: Family,
}

/// Where the systems whose YAML is read treat the same rules differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Istio's RequestAuthentication: a CORS preflight passes unseen (decision
    /// T13), and of several rules' errors the first rule's is told unless it
    /// knows no more than that the issuer is unknown.
    Istio,
    /// kgateway's `jwt` extension: nothing passes unseen, and the last such
    /// error is told.
    Kgateway,
    /// agentgateway's `jwtAuthentication`: as kgateway's, and a token must say
    /// when it expires.
    Agentgateway,
}

/// What becomes of a request that carries no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It goes on as anonymous.
    Anonymous,
    /// 401.
    Refuse,
}

/// What becomes of a request with a token that no rule accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bad {
    /// 401, or 403 for the wrong audience.
    #[default]
    Refuse,
    /// The token counts as none and stays where it is: agentgateway's mode
    /// `Permissive`.
    Disregard,
}

/// One Istio `jwtRules` entry, kgateway or agentgateway provider.
#[derive(Debug, Clone)]
pub struct TokenRule {
    /// The entry.
    pub origin: Arc<Origin>,
    /// Whose tokens.
    pub provider: ProviderId,
    /// Where it looks.
    pub sources: Box<[Source]>,
    /// Whether the upstream gets the token too.
    pub forward: bool,
    /// Header that gets the payload segment (Istio `outputPayloadToHeader`).
    pub payload_header: Option<HeaderName>,
    /// Headers that get single claims.
    pub claim_headers: Box<[ClaimHeader]>,
    /// Istio `spaceDelimitedClaims`: text claims, beside `scope` and
    /// `permission`, that policies see as lists, split at single spaces.
    pub space_delimited: Box<[Box<str>]>,
    /// Istio `presence: REQUIRED` (decision T14).
    pub required: bool,
}

/// One `outputClaimToHeaders` or `claimsToHeaders` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimHeader {
    /// The header that is set.
    pub header: HeaderName,
    /// The claim, split at its dots; steps walk objects only.
    pub path: Box<[Box<str>]>,
}

/// A distinct source with the rules that read it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    source: Source,
    /// Its header, if it is one: none is ever sent under what is no name.
    header: Option<HeaderName>,
    rules: Box<[u32]>,
}

impl Requirement {
    /// Compiles rules, which are tried in the order given.
    pub fn new(
        origin: Arc<Origin>,
        rules: Vec<TokenRule>,
        missing: Missing,
        family: Family,
    ) -> Requirement {
        let mut places: Vec<(Source, Vec<u32>)> = Vec::new();
        for (index, rule) in (0u32..).zip(&rules) {
            for source in &rule.sources {
                match places.iter_mut().find(|(it, _)| it == source) {
                    Some((_, readers)) if readers.last() == Some(&index) => {}
                    Some((_, readers)) => readers.push(index),
                    None => places.push((source.clone(), vec![index])),
                }
            }
        }
        // Envoy's order: headers by name and prefix, then parameters, then cookies.
        places.sort();
        let places = places.into_iter().map(|(source, rules)| Place {
            header: header(&source),
            source,
            rules: rules.into(),
        });
        Requirement {
            origin,
            places: places.collect(),
            rules: rules.into(),
            missing,
            bad: Bad::Refuse,
            family,
        }
    }

    /// Says what becomes of tokens that no rule accepts.
    #[must_use]
    pub fn with_bad(self, bad: Bad) -> Requirement {
        Requirement { bad, ..self }
    }

    /// The rules, in the order in which they are tried.
    pub fn rules(&self) -> &[TokenRule] {
        &self.rules
    }

    /// Every place where a token may stand.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.places.iter().map(|place| &place.source)
    }

    /// Every header that a rule may set.
    pub fn output_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.rules.iter().flat_map(|rule| {
            rule.payload_header
                .iter()
                .chain(rule.claim_headers.iter().map(|it| &it.header))
        })
    }
}

fn header(source: &Source) -> Option<HeaderName> {
    match source {
        Source::Header { name, .. } => HeaderName::try_from(&**name).ok(),
        Source::Query(_) | Source::Cookie(_) => None,
    }
}
