//! Token requirements, authorization, and providers with the state of their keys.

use countersign_config::compiled::{KeyLocation, KeySource, RemoteKeys};
use countersign_core::Snapshot;
use countersign_core::authn::{Bad, Family, Missing, Requirement, TokenRule};
use countersign_core::authz::{ExpressionRule, Policy, PolicySet, Rbac};
use countersign_core::provider::Provider;
use countersign_jose::{Alg, Audiences, KeySet};
use countersign_runtime::{KeyState, Running};
use serde_json::{Value, json};

use super::{ca, origin};

/// Listeners and routes refer to them by `id`.
pub(super) fn requirements(snapshot: &Snapshot) -> Value {
    let requirement = |(id, it): (usize, &Requirement)| {
        json!({
            "id": id,
            "origin": origin(&it.origin),
            "withoutToken": match it.missing {
                Missing::Anonymous => "anonymous",
                Missing::Refuse => "refused",
            },
            "withBadToken": match it.bad {
                Bad::Refuse => "refused",
                Bad::Disregard => "as without",
            },
            "skipsPreflight": it.family == Family::Istio,
            "rules": it.rules().iter().map(|it| rule(snapshot, it)).collect::<Value>(),
        })
    };
    snapshot
        .requirements
        .iter()
        .enumerate()
        .map(requirement)
        .collect()
}

/// AuthorizationPolicies by the combinations that hold on listeners, which refer to them by `id`. Where they stand and not
/// what they say, which may hold a secret.
pub(super) fn policies(snapshot: &Snapshot) -> Value {
    let policy = |it: &Policy| {
        json!({
            "origin": origin(&it.origin),
            "action": it.action.to_string(),
            "dryRun": it.dry_run,
            "rules": it.rules.len(),
        })
    };
    let set = |(id, it): (usize, &PolicySet)| json!({ "id": id, "policies": it.policies().iter().map(policy).collect::<Value>() });
    snapshot.policies.iter().enumerate().map(set).collect()
}

/// CEL rules; listeners and routes refer to them by `id`. Where they stand and not what they say, which may hold a secret.
pub(super) fn expressions(snapshot: &Snapshot) -> Value {
    let rule = |it: &std::sync::Arc<ExpressionRule>| {
        json!({
            "origin": origin(&it.origin),
            "action": it.action.name(),
            "expressions": it.expressions.len(),
            "allowedAddresses": it.allowed.as_ref().map(|it| it.networks.len()),
            "blockedAddresses": it.blocked.as_ref().map(|it| it.networks.len()),
        })
    };
    let rbac = |(id, it): (usize, &Rbac)| {
        let sets = it.sets.iter();
        let sets = sets.map(|set| set.rules().iter().map(rule).collect::<Value>());
        json!({ "id": id, "sets": sets.collect::<Value>() })
    };
    let rbacs = snapshot.rbacs.iter().enumerate();
    rbacs.map(rbac).collect()
}

fn rule(snapshot: &Snapshot, rule: &TokenRule) -> Value {
    let claim = |it: &countersign_core::authn::ClaimHeader| json!({ "header": it.header.as_str(), "claim": it.path.join(".") });
    json!({
        "origin": origin(&rule.origin),
        "provider": snapshot.provider(rule.provider).map(|it| &*it.name),
        "sources": rule.sources.iter().map(ToString::to_string).collect::<Value>(),
        "forward": rule.forward,
        "payloadHeader": rule.payload_header.as_ref().map(http::HeaderName::as_str),
        "claimHeaders": rule.claim_headers.iter().map(claim).collect::<Value>(),
        "required": rule.required,
    })
}

/// Issuers, what is expected of their tokens, and their keys right now.
pub(super) fn providers(running: &Running) -> Value {
    let compiled = &running.compiled;
    let all = compiled
        .snapshot
        .providers
        .iter()
        .zip(&compiled.keys)
        .zip(&running.keys);
    let one = |((provider, source), keys): (
        (&Provider, &KeySource),
        &countersign_runtime::ProviderKeys,
    )| {
        let algorithms = provider.expect.algs.iter().map(Alg::as_str);
        json!({
            "name": *provider.name,
            "origin": origin(&provider.origin),
            "issuer": provider.expect.issuer.as_deref(),
            "audiences": audiences(&provider.expect.audiences),
            "clockSkew": provider.expect.skew,
            "algorithms": algorithms.collect::<Value>(),
            "source": key_source(source),
            "keys": key_state(&keys.state),
            "keysAge": keys.age().map(|age| age.as_secs()),
        })
    };
    all.map(one).collect()
}

/// `null`: not checked.
fn audiences(audiences: &Audiences) -> Value {
    match audiences {
        Audiences::Any => Value::Null,
        Audiences::Exact(accepted) | Audiences::Istio(accepted) => {
            accepted.iter().map(|it| &**it).collect()
        }
    }
}

fn key_source(source: &KeySource) -> Value {
    let RemoteKeys {
        location,
        connect,
        ca: anchors,
        refresh,
        timeout,
        ..
    } = match source {
        KeySource::Inline(_) => return json!({ "kind": "inline" }),
        KeySource::Remote(remote) => remote,
    };
    let (kind, url) = match location {
        KeyLocation::Jwks(url) => ("jwks", url),
        KeyLocation::Discovery(issuer) => ("discovery", issuer),
    };
    json!({
        "kind": kind,
        "url": without_secrets(url),
        "connect": connect.as_ref().map(|it| format!("{}:{}", it.host, it.port)),
        "ca": ca(anchors),
        "refresh": refresh.as_secs_f64(),
        "timeout": timeout.as_secs_f64(),
    })
}

/// Userinfo and query may hold credentials.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

fn key_state(state: &KeyState) -> Value {
    match state {
        KeyState::Ready { set, generation } => json!({
            "state": "ready",
            "generation": generation,
            "kids": kids(set),
            "skipped": set.skipped().iter().map(|it| {
                json!({ "index": it.index, "kid": it.kid, "reason": it.reason })
            }).collect::<Value>(),
        }),
        KeyState::Pending => json!({ "state": "pending" }),
        KeyState::Unavailable => json!({ "state": "unavailable" }),
    }
}

/// Ids of the keys; key material is not shown, for it may be symmetric.
fn kids(set: &KeySet) -> Value {
    set.keys().map(|key| key.kid()).collect()
}
