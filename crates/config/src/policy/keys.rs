//! Where the keys of a provider come from: in the configuration or over the network.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::backend::{Ca, Endpoint};
use countersign_jose::KeySet;

use super::key_names::NamedKeys;
use super::tokens::{report_keys, text_of};
use super::{KeyBackend, KeyServer, Scene};
use crate::compiled::{KeyLocation, RemoteKeys};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::{Kind, Object};
use crate::read::{Fields, Spanned, any_string, dns_label, dns_subdomain, map, port, string};
use crate::source::Span;
use crate::yaml::Node;

/// What a provider says about its keys.
pub(super) enum KeySpec {
    Inline(NamedKeys),
    /// Name of a ConfigMap in the namespace of the object.
    ConfigMap(Spanned<Arc<str>>),
    Remote(Remote),
}

/// Keys that are fetched.
pub(super) struct Remote {
    pub(super) url: Url,
    pub(super) backend: Spanned<BackendRef>,
    pub(super) refresh: Duration,
    pub(super) timeout: Duration,
    pub(super) retry: Option<Retry>,
    pub(super) after_failure: Duration,
}

/// What to ask the backend for.
pub(super) enum Url {
    /// A URL, which decides about TLS (decision T16).
    Whole(Arc<str>),
    /// A path; host and TLS are the backend's own.
    Path(Arc<str>),
}

/// Which server has the keys.
pub(super) struct BackendRef {
    group: Arc<str>,
    kind: Arc<str>,
    namespace: Option<Arc<str>>,
    name: Arc<str>,
    port: Option<u16>,
}

/// What is done when a fetch fails.
#[derive(Clone, Copy)]
pub(super) struct Retry {
    pub(super) attempts: u32,
    pub(super) base: Duration,
    pub(super) max: Duration,
}

/// The keys in a text: a PEM public key, a JWK set or a single JWK, tried in kgateway's order.
pub(super) fn key_set(node: &Node, diags: &mut Diagnostics) -> Option<NamedKeys> {
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

/// Reads `backendRef`.
pub(super) fn backend_ref(node: &Node, diags: &mut Diagnostics) -> Option<BackendRef> {
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

/// Turns the spec into a source of keys; what it refers to must be there.
///
/// # Errors
/// Why not, having been reported as an error.
pub(super) fn resolve(
    spec: &KeySpec,
    owner: &Object,
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Result<NamedKeys, Arc<str>> {
    match spec {
        KeySpec::Inline(keys) => Ok(keys.clone()),
        KeySpec::ConfigMap(name) => config_map(name, owner, scene, diags),
        KeySpec::Remote(remote) => backend(remote, owner, scene, diags),
    }
}

fn config_map(
    name: &Spanned<Arc<str>>,
    owner: &Object,
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Result<NamedKeys, Arc<str>> {
    let found = scene
        .objects
        .of(Kind::ConfigMap)
        .find(|it| it.namespace == owner.namespace && it.name == name.value);
    let Some(object) = found else {
        let message = format!("there is no ConfigMap `{}/{}`", owner.namespace, name.value);
        let help = "load it too: it must lie in the namespace of the policy";
        return Err(missing(&message, name.span, help, owner, diags));
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
            owner,
            diags,
        ));
    };
    key_set(&node, diags).ok_or_else(|| "the key set cannot be read".into())
}

fn backend(
    remote: &Remote,
    owner: &Object,
    scene: &Scene<'_>,
    diags: &mut Diagnostics,
) -> Result<NamedKeys, Arc<str>> {
    let target = &remote.backend.value;
    let wanted = KeyBackend {
        from: owner,
        group: &target.group,
        kind: &target.kind,
        namespace: target.namespace.as_ref().unwrap_or(&owner.namespace),
        name: &target.name,
        port: target.port,
    };
    let server = (scene.backend)(&wanted).map_err(|why| {
        let help = "load the Backend or Service that serves the keys";
        missing(&why, remote.backend.span, help, owner, diags)
    })?;
    let url = match &remote.url {
        Url::Whole(url) => url.clone(),
        Url::Path(path) => on(&server, path),
    };
    let retry = remote.retry;
    Ok(NamedKeys::remote(RemoteKeys {
        location: KeyLocation::Jwks(url),
        connect: Some(server.endpoint),
        ca: server.tls.map_or(Ca::System, |it| it.ca),
        refresh: remote.refresh,
        timeout: remote.timeout,
        retries: retry.map_or(0, |it| it.attempts),
        backoff: retry.map_or(Duration::from_secs(1), |it| it.base),
        backoff_max: retry.map_or(Duration::from_secs(10), |it| it.max),
        after_failure: remote.after_failure,
        guard: scene.guard,
    }))
}

/// The URL of a path on a server: over TLS where a BackendTLSPolicy says how to check its certificate.
fn on(server: &KeyServer, path: &str) -> Arc<str> {
    let Endpoint { host, port } = &server.endpoint;
    let (scheme, host, usual) = match &server.tls {
        Some(tls) => ("https", &tls.server_name, 443),
        None => ("http", host, 80),
    };
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_string(),
    };
    let port = match *port == usual {
        true => String::new(),
        false => format!(":{port}"),
    };
    let path = path.strip_prefix('/').unwrap_or(path);
    format!("{scheme}://{host}{port}/{path}").into()
}

fn missing(
    message: &str,
    at: Span,
    help: &str,
    owner: &Object,
    diags: &mut Diagnostics,
) -> Arc<str> {
    let error = Diagnostic::error("missing-reference", message)
        .at(at)
        .help(help);
    diags.push(error.about(owner.reference()));
    format!("{} {}: {message}", owner.kind.name(), quoted(&owner.name)).into()
}
