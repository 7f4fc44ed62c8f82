//! `jwks` of a provider: in the configuration or over the network.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::backend::Ca;
use countersign_jose::KeySet;

use crate::compiled::{KeyLocation, RemoteKeys};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::{Kind, Object};
use crate::policy::key_names::NamedKeys;
use crate::policy::tokens::{report_keys, text_of, url};
use crate::policy::{KeyBackend, Scene};
use crate::read::{
    Fields, Spanned, any_string, boolean, dns_label, dns_subdomain, duration_in, int_in, map, port,
    spanned, string, string_of,
};
use crate::source::Span;
use crate::yaml::Node;

/// What `jwks` says.
pub(super) enum KeySpec {
    Inline(NamedKeys),
    /// Name of a ConfigMap in the extension's namespace.
    ConfigMap(Spanned<Arc<str>>),
    Remote(Remote),
}

/// What `jwks.remote` says.
pub(super) struct Remote {
    url: Arc<str>,
    backend: Spanned<BackendRef>,
    refresh: Duration,
    timeout: Duration,
    retry: Option<Retry>,
    after_failure: Duration,
}

struct BackendRef {
    group: Arc<str>,
    kind: Arc<str>,
    namespace: Option<Arc<str>>,
    name: Arc<str>,
    port: Option<u16>,
}

#[derive(Clone, Copy)]
struct Retry {
    attempts: u32,
    base: Duration,
    max: Duration,
}

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

fn key_set(node: &Node, diags: &mut Diagnostics) -> Option<NamedKeys> {
    let text = text_of(node)?;
    match KeySet::from_inline(text) {
        Ok(set) => {
            report_keys(node, &set, diags);
            Some(NamedKeys::inline(text, set))
        }
        Err(error) => {
            let message = format!("there are no keys in this text: {error}");
            let error = Diagnostic::error("invalid-jwks", message)
                .at(node.span)
                .private();
            diags.push(
                error.help("write a JWK set `{\"keys\":[…]}`, a single JWK, or a PEM public key"),
            );
            None
        }
    }
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
        url: url?,
        backend: backend?,
        refresh,
        timeout,
        retry,
        after_failure,
    })
}

fn backend_ref(node: &Node, diags: &mut Diagnostics) -> Option<BackendRef> {
    let mut fields = Fields::of(node, "backendRef", diags)?;
    let group = fields.optional("group", any_string).unwrap_or_default();
    let kind = fields
        .optional("kind", string)
        .unwrap_or_else(|| "Service".into());
    let name = fields.required("name", dns_subdomain);
    let namespace = fields.optional("namespace", dns_label);
    let port = fields.optional("port", port);
    Some(BackendRef {
        group,
        kind,
        namespace,
        name: name?,
        port,
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

/// Turns the spec into a source of keys; what it refers to must be there.
///
/// # Errors
/// Why not, having been reported as an error.
pub(super) fn resolve(
    spec: &KeySpec,
    extension: &Object,
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Result<NamedKeys, Arc<str>> {
    match spec {
        KeySpec::Inline(keys) => Ok(keys.clone()),
        KeySpec::ConfigMap(name) => config_map(name, extension, scene, diags),
        KeySpec::Remote(remote) => backend(remote, extension, scene, diags),
    }
}

fn config_map(
    name: &Spanned<Arc<str>>,
    extension: &Object,
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Result<NamedKeys, Arc<str>> {
    let found = scene
        .objects
        .of(Kind::ConfigMap)
        .find(|it| it.namespace == extension.namespace && it.name == name.value);
    let Some(object) = found else {
        let message = format!(
            "there is no ConfigMap `{}/{}`",
            extension.namespace, name.value
        );
        let help = "load it too: it must lie in the namespace of the extension";
        return Err(missing(&message, name.span, help, extension, diags));
    };
    let data = object
        .fields(&mut Diagnostics::new())
        .optional("data", map(|node, _| Some(node.clone())));
    let entry = data
        .unwrap_or_default()
        .into_iter()
        .find(|(key, _)| &*key.text == "jwks");
    let Some((_, node)) = entry else {
        let message = format!(
            "ConfigMap `{}/{}` has no key `jwks`",
            object.namespace, object.name
        );
        return Err(missing(
            &message,
            name.span,
            "put the key set under `data.jwks`",
            extension,
            diags,
        ));
    };
    key_set(&node, diags).ok_or_else(|| "the key set cannot be read".into())
}

fn backend(
    remote: &Remote,
    extension: &Object,
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Result<NamedKeys, Arc<str>> {
    let target = &remote.backend.value;
    let wanted = KeyBackend {
        from: &extension.namespace,
        group: &target.group,
        kind: &target.kind,
        namespace: target.namespace.as_ref().unwrap_or(&extension.namespace),
        name: &target.name,
        port: target.port,
    };
    let (endpoint, ca) = (scene.backend)(&wanted).map_err(|why| {
        let help = "load the Backend or Service that serves the keys";
        missing(&why, remote.backend.span, help, extension, diags)
    })?;
    let retry = remote.retry;
    Ok(NamedKeys::remote(RemoteKeys {
        location: KeyLocation::Jwks(remote.url.clone()),
        connect: Some(endpoint),
        ca: ca.unwrap_or(Ca::System),
        refresh: remote.refresh,
        timeout: remote.timeout,
        retries: retry.map_or(0, |it| it.attempts),
        backoff: retry.map_or(Duration::from_secs(1), |it| it.base),
        backoff_max: retry.map_or(Duration::from_secs(10), |it| it.max),
        after_failure: remote.after_failure,
        guard: scene.guard,
    }))
}

fn missing(
    message: &str,
    at: Span,
    help: &str,
    extension: &Object,
    diags: &mut Diagnostics,
) -> Arc<str> {
    let error = Diagnostic::error("missing-reference", message)
        .at(at)
        .help(help);
    diags.push(error.about(extension.reference()));
    format!("GatewayExtension {}: {message}", quoted(&extension.name)).into()
}
