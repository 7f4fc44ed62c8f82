//! Configurations, tokens, and gateways that read them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{self, Key};
use countersign_testkit::tls::Identity;
use serde_json::{Value, json};

/// The gateway's binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts a gateway on these files.
pub(crate) fn start(files: &[(&str, &str)]) -> Gateway {
    let setup = Setup::new(BINARY);
    ready(
        files
            .iter()
            .fold(setup, |setup, (name, text)| setup.file(name, text)),
    )
}

/// Starts a gateway, and waits until it has had its first look at whether its files have changed.
pub(crate) fn ready(setup: Setup) -> Gateway {
    let gateway = setup
        .start()
        .unwrap_or_else(|ended| panic!("{}", ended.stderr));
    // A change during that look is found as well, but each change after it would then take two looks.
    sleep(Duration::from_secs(1));
    gateway
}

/// A Gateway `edge` with these listeners, whose parameters have these fields beside a silent access log.
pub(crate) fn gateway(listeners: &str, parameters: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: apps}}
spec:
  gatewayClassName: countersign
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  infrastructure:
    parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: edge}}
  listeners: [{listeners}]
---
apiVersion: countersign.dev/v1alpha1
kind: GatewayParameters
metadata: {{name: edge, namespace: apps}}
spec: {{accessLog: 'Off', {parameters}}}
"
    )
}

/// Whose tokens are asked for.
pub(crate) enum Keys<'a> {
    /// Keys that are fetched from here.
    Of(&'a Idp),
    /// [`ISSUER`]'s, in the configuration.
    Inline(&'a Key),
}

/// An issuer that nobody has to ask.
pub(crate) const ISSUER: &str = "https://issuer.test";

/// A Gateway as [`gateway`] makes it, where all requests go to a backend `app` on this port, with a token.
pub(crate) fn site(listeners: &str, parameters: &str, app: u16, keys: &Keys<'_>) -> String {
    let extension = match keys {
        Keys::Of(idp) => extension("jwt", idp.issuer(), &fetched(idp)) + &idp_backend(idp),
        Keys::Inline(key) => extension("jwt", ISSUER, &inline(key)),
    };
    [
        gateway(listeners, parameters),
        route("app", "/", "app", ""),
        backend("app", app),
        extension,
        policy("jwt", "Gateway", "edge"),
    ]
    .concat()
}

/// A listener for HTTP.
pub(crate) fn http(name: &str, port: u16) -> String {
    format!("{{name: {name}, protocol: HTTP, port: {port}}}")
}

/// A listener for HTTPS under one name, with the certificate of this Secret.
pub(crate) fn https(name: &str, port: u16, hostname: &str, secret: &str) -> String {
    format!(
        "{{name: {name}, protocol: HTTPS, port: {port}, hostname: {hostname}, \
         tls: {{certificateRefs: [{{name: {secret}}}]}}}}"
    )
}

/// A route of `edge`: everything under `prefix` goes to one backend, with this list of filters.
pub(crate) fn route(name: &str, prefix: &str, backend: &str, filters: &str) -> String {
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: apps}}
spec:
  parentRefs: [{{name: edge}}]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: {prefix}}}}}]
    filters: [{filters}]
    backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: {backend}}}]
"
    )
}

/// A backend on a port of this machine.
pub(crate) fn backend(name: &str, port: u16) -> String {
    format!(
        "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: {name}, namespace: apps}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}}}
"
    )
}

/// An extension `name` with one provider of this issuer; `sub` goes to the header `x-user`.
pub(crate) fn extension(name: &str, issuer: &str, jwks: &str) -> String {
    format!(
        "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: {name}, namespace: apps}}
spec:
  jwt:
    providers:
    - name: {name}
      issuer: {issuer}
      claimsToHeaders: [{{name: sub, header: x-user}}]
      jwks: {jwks}
"
    )
}

/// How long fetching keys may take.
pub(crate) const FETCH: Duration = Duration::from_secs(1);

/// Keys that are fetched from an issuer, by a backend `idp`, and kept for an hour unless somebody asks.
pub(crate) fn fetched(idp: &Idp) -> String {
    format!(
        "{{remote: {{url: '{}', timeout: {}s, cacheDuration: 1h, asyncFetch: {{failedRefetchDuration: 200ms}}, \
         backendRef: {{group: gateway.kgateway.dev, kind: Backend, name: idp}}}}}}",
        idp.jwks_uri(),
        FETCH.as_secs()
    )
}

/// The backend that [`fetched`] names.
pub(crate) fn idp_backend(idp: &Idp) -> String {
    backend("idp", idp.address().port())
}

/// Keys that stand in the configuration.
pub(crate) fn inline(key: &Key) -> String {
    format!("{{local: {{inline: '{}'}}}}", mint::jwks(&[key]))
}

/// A policy that asks for a token of an extension on a Gateway or a route.
pub(crate) fn policy(extension: &str, kind: &str, target: &str) -> String {
    format!(
        "---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: {extension}-{target}, namespace: apps}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {target}}}]
  jwtAuth: {{extensionRef: {{name: {extension}}}}}
"
    )
}

/// A Secret with a certificate.
pub(crate) fn secret(name: &str, identity: &Identity) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: apps}}
type: kubernetes.io/tls
stringData: {{tls.crt: {}, tls.key: {}}}
",
        quoted(&identity.certificate),
        quoted(&identity.key)
    )
}

/// A token that outlives every test, for `ann`.
pub(crate) fn token(issuer: &str, key: &Key) -> Arc<str> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ends = now.expect("a clock past 1970").as_secs() + 24 * 3600;
    let claims = json!({ "iss": issuer, "sub": "ann", "exp": ends });
    key.token(&claims).into()
}

/// Requests that the gateway has counted, by reason.
pub(crate) fn reasons(gateway: &Gateway) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    let text = gateway.admin("/metrics").text();
    for line in text.lines() {
        let series = line.strip_prefix("countersign_requests_total{");
        let parts = series.and_then(|it| it.split_once("reason=\"")?.1.split_once("\"} "));
        if let Some((reason, count)) = parts {
            let count: u64 = count.parse().expect("a count");
            *reasons.entry(reason.to_owned()).or_default() += count;
        }
    }
    reasons
}

/// How often reloads have ended like this.
pub(crate) fn reloads(gateway: &Gateway, result: &str) -> u64 {
    let series = format!("countersign_reload_total{{result=\"{result}\"}}");
    // A counter, so far from where this loses anything.
    gateway.metric(&series).unwrap_or(0.0) as u64
}

/// Does something to the files and waits until a reload has ended like this.
pub(crate) fn reload(gateway: &Gateway, result: &str, change: impl FnOnce()) -> Duration {
    let (begun, before) = (Instant::now(), reloads(gateway, result));
    change();
    while reloads(gateway, result) == before {
        let printed = || gateway.stderr().lines().rev().take(20).collect::<String>();
        assert!(begun.elapsed() < PATIENCE, "no {result}: {}", printed());
        sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

const PATIENCE: Duration = Duration::from_secs(20);
