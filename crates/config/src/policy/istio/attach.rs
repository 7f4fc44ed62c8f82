//! Which RequestAuthentications hold on which gateway, and what they demand together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::authn::{Family, Missing, Requirement, TokenRule};
use countersign_core::backend::Ca;
use countersign_core::id::{ProviderId, RequirementId};
use countersign_core::origin::Origin;
use countersign_jose::{Audiences, ZeroExp};

use super::reach::{applies, report};
use super::rule::{JwtRule, Keys};
use super::spec::{Authentication, authentication};
use crate::compiled::{AddressGuard, KeyLocation, RemoteKeys};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef};
use crate::object::Kind;
use crate::policy::builder::{Builder, NewProvider};
use crate::policy::key_names::NamedKeys;
use crate::policy::{GatewayKey, Mesh, Scene};
use crate::read::Spanned;
use crate::source::Span;

/// Seconds by which clocks may differ, as in Envoy (decision T11).
const SKEW: u64 = 60;
/// istiod's refresh interval.
const REFRESH: Duration = Duration::from_secs(20 * 60);

/// The rules of one policy, each with the issuer that it is sorted by.
type Rules = Vec<(Option<Arc<str>>, TokenRule)>;

/// What each gateway got.
#[derive(Debug, Default)]
pub(in crate::policy) struct Attached {
    gateways: BTreeMap<GatewayKey, (RequirementId, Vec<Arc<str>>)>,
    lenient: Vec<Lenient>,
}

/// A policy that lets requests without a token pass, and the gateways that it holds on.
#[derive(Debug)]
struct Lenient {
    policy: ObjectRef,
    at: Span,
    gateways: Vec<GatewayKey>,
}

impl Lenient {
    fn of(policy: &Authentication<'_>, scene: &Scene<'_>, mesh: &Mesh) -> Option<Lenient> {
        if policy.rules.is_empty() || policy.rules.iter().any(|rule| rule.required) {
            return None;
        }
        let object = policy.object;
        let gateways = scene.gateways.iter();
        let gateways = gateways.filter(|it| applies(object, &policy.target, it, mesh));
        Some(Lenient {
            policy: object.reference(),
            at: object.name_span,
            gateways: gateways.map(|it| it.key.clone()).collect(),
        })
    }
}

impl Attached {
    /// Never silent: a policy that lets strangers in, where no other policy minds them.
    pub(in crate::policy) fn report_anonymous(
        &self,
        minded: impl Fn(&GatewayKey) -> bool,
        diags: &mut Diagnostics,
    ) {
        for lenient in &self.lenient {
            if lenient.gateways.iter().all(&minded) {
                continue;
            }
            let message = "requests without a token are let through: a RequestAuthentication only judges the tokens that are there";
            let warning = Diagnostic::warning("anonymous-allowed", message).at(lenient.at);
            let help = "add `presence: REQUIRED` to a rule if a token must be there";
            diags.push(warning.about(lenient.policy.clone()).help(help));
        }
    }

    pub(in crate::policy) fn of(&self, gateway: &GatewayKey) -> Option<RequirementId> {
        self.gateways.get(gateway).map(|(id, _)| *id)
    }

    pub(in crate::policy) fn demands(&self, gateway: &GatewayKey) -> Vec<Arc<str>> {
        self.gateways
            .get(gateway)
            .map(|(_, demands)| demands.clone())
            .unwrap_or_default()
    }
}

/// Reads all of them and attaches each to its gateways.
pub(in crate::policy) fn attach(
    scene: &Scene<'_>,
    mesh: &Mesh,
    builder: &mut Builder,
    diags: &mut Diagnostics,
) -> Attached {
    let policies: Vec<Authentication<'_>> = scene
        .objects
        .of(Kind::RequestAuthentication)
        .filter_map(|object| authentication(object, diags))
        .collect();
    let mut compiled: Vec<Rules> = Vec::new();
    for policy in &policies {
        report(policy.object, &policy.target, scene, mesh, diags);
        compiled.push(rules(policy, scene.guard, builder));
    }
    let mut attached = Attached {
        lenient: policies
            .iter()
            .filter_map(|it| Lenient::of(it, scene, mesh))
            .collect(),
        ..Attached::default()
    };
    let mut known: HashMap<Vec<usize>, RequirementId> = HashMap::new();
    for gateway in &scene.gateways {
        let mut applying: Vec<usize> = (0..policies.len())
            .filter(|index| {
                let policy = policies.get(*index);
                policy.is_some_and(|it| applies(it.object, &it.target, gateway, mesh))
            })
            .collect();
        // istiod asks the gateway's own namespace before the root: of rules for one issuer the first decides.
        applying.sort_by_key(|it| {
            let policy = policies.get(*it);
            policy.is_some_and(|it| it.object.namespace != gateway.key.namespace)
        });
        let with_rules = |it: &usize| compiled.get(*it).is_some_and(|rules| !rules.is_empty());
        if !applying.iter().any(with_rules) {
            continue;
        }
        let id = match known.get(&applying) {
            Some(id) => *id,
            None => {
                let id = builder.requirement(merge(&applying, &policies, &compiled));
                known.insert(applying, id);
                id
            }
        };
        let demands = builder.demands(id);
        attached.gateways.insert(gateway.key.clone(), (id, demands));
    }
    attached
}

/// All rules of the policies concatenated and stably sorted by issuer, as istiod does.
fn merge(applying: &[usize], policies: &[Authentication<'_>], compiled: &[Rules]) -> Requirement {
    let mut rules: Vec<&(Option<Arc<str>>, TokenRule)> = applying
        .iter()
        .filter_map(|it| compiled.get(*it))
        .flatten()
        .collect();
    rules.sort_by(|a, b| a.0.cmp(&b.0));
    let rules: Vec<TokenRule> = rules.into_iter().map(|(_, rule)| rule.clone()).collect();
    let first = applying.first().and_then(|it| policies.get(*it));
    let origin = first.map(|it| Arc::new(it.object.origin.clone()));
    let origin = origin.or_else(|| rules.first().map(|rule| rule.origin.clone()));
    Requirement::new(
        origin.unwrap_or_else(nowhere),
        rules,
        Missing::Anonymous,
        Family::Istio,
    )
}

/// A requirement has rules, and rules have origins; this is for the type only.
fn nowhere() -> Arc<Origin> {
    let empty: Arc<str> = "".into();
    Arc::new(Origin {
        kind: "RequestAuthentication",
        namespace: empty.clone(),
        name: empty.clone(),
        part: empty.clone(),
        file: empty,
        line: 0,
    })
}

fn rules(policy: &Authentication<'_>, guard: AddressGuard, builder: &mut Builder) -> Rules {
    let object = policy.object;
    let number = |(index, rule): (usize, &Spanned<JwtRule>)| {
        let origin = object
            .origin
            .part(format!("jwtRules[{index}]"), rule.span.start.line);
        let origin = Arc::new(origin);
        let provider = provider(rule, &origin, index, guard, builder);
        let token_rule = TokenRule {
            origin,
            provider,
            sources: rule.sources.clone(),
            forward: rule.forward,
            payload_header: rule.payload_header.clone(),
            claim_headers: rule.claim_headers.clone(),
            space_delimited: rule.space_delimited.clone(),
            required: rule.required,
        };
        (rule.issuer.clone(), token_rule)
    };
    policy.rules.iter().enumerate().map(number).collect()
}

fn provider(
    rule: &Spanned<JwtRule>,
    origin: &Arc<Origin>,
    index: usize,
    guard: AddressGuard,
    builder: &mut Builder,
) -> ProviderId {
    let remote = |location| {
        NamedKeys::remote(RemoteKeys {
            location,
            connect: None,
            ca: Ca::System,
            refresh: REFRESH,
            timeout: rule.timeout,
            retries: 0,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(10),
            after_failure: Duration::from_secs(10),
            guard,
        })
    };
    let keys = match &rule.keys {
        Keys::Inline(keys) => keys.clone(),
        Keys::Url(url) => remote(KeyLocation::Jwks(url.clone())),
        Keys::Issuer(issuer) => remote(KeyLocation::Discovery(issuer.clone())),
    };
    builder.provider(NewProvider {
        origin: origin.clone(),
        span: rule.span,
        name: format!("{}/{}/{index}", origin.namespace, origin.name).into(),
        issuer: rule.issuer.clone(),
        audiences: audiences(&rule.audiences),
        // `exp: 0` never expires, as in Envoy.
        zero_exp: ZeroExp::Never,
        skew: SKEW,
        keys,
        unavailable: "Jwt verification fails",
    })
}

/// Compared without scheme and trailing slash, as Envoy does.
fn audiences(listed: &[Arc<str>]) -> Audiences {
    match listed {
        [] => Audiences::Any,
        some => Audiences::istio(some.iter().map(|it| &**it)),
    }
}
