//! Routes and rules.

use countersign_core::Snapshot;
use countersign_core::filter::{Filters, HeaderEdits};
use countersign_core::route::{
    Match, PathMatch, RouteEntry, RouteRule, TextMatch, WeightedBackend,
};
use serde_json::{Value, json};

use super::{hostname, origin};

/// One entry of a listener's table; they are listed by precedence.
pub(super) fn entry(snapshot: &Snapshot, entry: &RouteEntry) -> Value {
    let Match {
        path,
        headers,
        query,
        method,
    } = &entry.matches;
    json!({
        "hostname": hostname(&entry.host),
        "path": path_match(path),
        "method": method.as_ref().map(http::Method::as_str),
        "headers": headers.iter().map(|(name, it)| named(name.as_str(), it)).collect::<Value>(),
        "query": query.iter().map(|(name, it)| named(name, it)).collect::<Value>(),
        "rule": snapshot.rule(entry.rule).map(|rule| &*rule.name),
        "requirement": entry.jwt.map(|id| id.0),
        "expressions": entry.rbac.map(|id| id.0),
    })
}

fn path_match(path: &PathMatch) -> Value {
    match path {
        PathMatch::Exact(path) => json!({ "exact": **path }),
        PathMatch::Prefix(prefix) if prefix.is_empty() => json!({ "prefix": "/" }),
        PathMatch::Prefix(prefix) => json!({ "prefix": **prefix }),
        PathMatch::Regex(regex) => json!({ "regex": regex.as_str() }),
        PathMatch::GrpcService(service) => json!({ "grpcService": **service }),
        PathMatch::GrpcMethod(method) => json!({ "grpcMethod": **method }),
    }
}

/// The value of a condition may be a secret.
fn named(name: &str, value: &TextMatch) -> Value {
    let by = match value {
        TextMatch::Exact(_) => "exact",
        TextMatch::Regex(_) => "regex",
    };
    json!({ "name": name, "by": by })
}

/// What a rule does.
pub(super) fn rule(snapshot: &Snapshot, rule: &RouteRule) -> Value {
    let seconds = |time: Option<std::time::Duration>| time.map(|it| it.as_secs_f64());
    json!({
        "name": *rule.name,
        "origin": origin(&rule.origin),
        "closed": rule.closed.as_deref(),
        "timeouts": {
            "request": seconds(rule.timeouts.request),
            "backendRequest": seconds(rule.timeouts.backend),
        },
        "filters": filters(snapshot, &rule.filters),
        "backends": rule.backends.iter().map(|it| weighted(snapshot, it)).collect::<Value>(),
    })
}

fn weighted(snapshot: &Snapshot, reference: &WeightedBackend) -> Value {
    let backend = reference.backend.and_then(|id| snapshot.backend(id));
    json!({
        "backend": backend.map(|it| &*it.name),
        "weight": reference.weight,
        "filters": filters(snapshot, &reference.filters),
    })
}

fn filters(snapshot: &Snapshot, filters: &Filters) -> Value {
    let Filters {
        request_headers,
        response_headers,
        redirect,
        rewrite,
        mirrors,
        cors,
    } = filters;
    let mirror = |it: &countersign_core::filter::Mirror| {
        let backend = it.backend.and_then(|id| snapshot.backend(id));
        json!({
            "backend": backend.map(|it| &*it.name),
            "fraction": { "numerator": it.numerator, "denominator": it.denominator },
        })
    };
    json!({
        "requestHeaders": edits(request_headers),
        "responseHeaders": edits(response_headers),
        "redirect": redirect.as_ref().map(|it| it.status.as_u16()),
        "rewrite": rewrite.is_some(),
        "mirrors": mirrors.iter().map(mirror).collect::<Value>(),
        "cors": cors.is_some(),
    })
}

/// Names only: what headers are set to may be a secret.
fn edits(edits: &HeaderEdits) -> Value {
    let names = |pairs: &[(http::HeaderName, http::HeaderValue)]| {
        pairs
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Value>()
    };
    json!({
        "set": names(&edits.set),
        "add": names(&edits.add),
        "remove": edits.remove.iter().map(http::HeaderName::as_str).collect::<Value>(),
    })
}
