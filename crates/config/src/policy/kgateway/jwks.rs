//! `jwks` of a GatewayExtension's provider, read and checked by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy::key_names::NamedKeys;
use crate::policy::keys::{KeySpec, Remote, Retry, Url, backend_ref, key_set};
use crate::policy::tokens::url;
use crate::read::{
    Fields, Spanned, boolean, dns_subdomain, duration_in, int_in, spanned, string_of,
};
use crate::yaml::Node;

const SHORTEST: Duration = Duration::from_millis(1);
const CACHE: Duration = Duration::from_secs(5 * 60);
const TIMEOUT: Duration = Duration::from_secs(5);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Reads `jwks`.
pub(super) fn jwks(node: &Node, diags: &mut Diagnostics) -> Option<KeySpec> {
    let mut fields = Fields::of(node, "jwks", diags)?;
    match fields.exactly_one(&["local", "remote"])? {
        "local" => fields.optional("local", local),
        _ => fields.optional("remote", remote).map(KeySpec::Remote),
    }
}

fn local(node: &Node, diags: &mut Diagnostics) -> Option<KeySpec> {
    let mut fields = Fields::of(node, "jwks.local", diags)?;
    match fields.exactly_one(&["inline", "configMapRef"])? {
        "inline" => fields.optional("inline", inline).map(KeySpec::Inline),
        _ => fields
            .optional("configMapRef", config_map_ref)
            .map(KeySpec::ConfigMap),
    }
}

/// A PEM public key, a JWK set or a single JWK, tried in kgateway's order.
fn inline(node: &Node, diags: &mut Diagnostics) -> Option<NamedKeys> {
    string_of(1..=16_384)(node, diags)?;
    key_set(node, diags)
}

fn config_map_ref(node: &Node, diags: &mut Diagnostics) -> Option<Spanned<Arc<str>>> {
    let mut fields = Fields::of(node, "configMapRef", diags)?;
    fields.required("name", spanned(dns_subdomain))
}

fn remote(node: &Node, diags: &mut Diagnostics) -> Option<Remote> {
    let mut fields = Fields::of(node, "jwks.remote", diags)?;
    let url = fields.required("url", url);
    let backend = fields.required("backendRef", spanned(backend_ref));
    let span = || duration_in(SHORTEST..=Duration::MAX);
    let refresh = fields.optional("cacheDuration", span()).unwrap_or(CACHE);
    let timeout = fields.optional("timeout", span()).unwrap_or(TIMEOUT);
    let retry = fields.optional("retryPolicy", retry);
    let after_failure = fields
        .optional("asyncFetch", async_fetch)
        .unwrap_or(AFTER_FAILURE);
    fields.finish();
    Some(Remote {
        url: Url::Whole(url?),
        backend: backend?,
        refresh,
        timeout,
        retry,
        after_failure,
    })
}

fn retry(node: &Node, diags: &mut Diagnostics) -> Option<Retry> {
    let mut fields = Fields::of(node, "retryPolicy", diags)?;
    let attempts = fields.optional("numRetries", int_in(1..=100)).unwrap_or(1);
    let (base, max) = fields
        .optional("backOff", backoff)
        .unwrap_or((Duration::from_secs(1), Duration::from_secs(10)));
    Some(Retry {
        attempts,
        base,
        max,
    })
}

fn backoff(node: &Node, diags: &mut Diagnostics) -> Option<(Duration, Duration)> {
    let mut fields = Fields::of(node, "backOff", diags)?;
    let base = fields.required("baseInterval", duration_in(SHORTEST..=Duration::MAX));
    let max = fields.optional(
        "maxInterval",
        spanned(duration_in(SHORTEST..=Duration::MAX)),
    );
    let base = base?;
    if let Some(max) = &max
        && max.value < base
    {
        let message = "`maxInterval` is shorter than `baseInterval`";
        let error = Diagnostic::error("invalid-value", message).at(max.span);
        fields
            .diags()
            .push(error.help("make it at least as long, or leave it out"));
    }
    Some((base, max.map_or(base.saturating_mul(10), |it| it.value)))
}

/// Key sets are always fetched ahead of need and listeners never wait for them
/// (decision T10), so `fastListener` changes nothing.
fn async_fetch(node: &Node, diags: &mut Diagnostics) -> Option<Duration> {
    let mut fields = Fields::of(node, "asyncFetch", diags)?;
    fields.optional("fastListener", boolean);
    let wait = fields.optional(
        "failedRefetchDuration",
        duration_in(SHORTEST..=Duration::MAX),
    );
    Some(wait.unwrap_or(AFTER_FAILURE))
}
