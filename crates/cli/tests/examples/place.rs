//! Istio's examples: a gateway that runs, its upstream, and the issuers that the documents name, played by the test.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::mint::{self, Key};
use countersign_testkit::site::{Reply, Seen};
use countersign_testkit::tls::{Authority, Identity};
use countersign_testkit::upstream::Upstream;
use rustls::ClientConfig;
use serde_json::{Value, json};

pub(crate) const DENIED: (u16, &str) = (403, "RBAC: access denied");

/// A file of an example; `None`, and a line that says so, where it is not there.
pub(crate) fn read(file: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/examples");
    let path = path.join(file);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        let missing = std::env::var_os("CI").is_none();
        assert!(missing, "{} is missing", path.display());
        let _shown = writeln!(std::io::stderr(), "skipped: no {}", path.display());
    }
    text
}

/// Replaces the one place where `from` stands.
pub(crate) fn once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in\n{text}");
    text.replace(from, to)
}

/// An issuer of tokens with its published keys.
pub(crate) struct Issuer {
    name: &'static str,
    key: Key,
    site: Upstream,
}

impl Issuer {
    pub(crate) fn new(name: &'static str) -> Self {
        let (key, site) = (Key::rsa(name), Upstream::start(name));
        site.answer("/keys", Reply::json(mint::jwks(&[&key])));
        Self { name, key, site }
    }

    /// Where its keys are.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.site.address())
    }

    /// A token of this issuer that is good until 2096.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.key.token(&self.claims(claims))
    }

    /// The same, signed by somebody else.
    pub(crate) fn forged(&self, claims: Value) -> String {
        let stranger = Key::rsa("stranger").with_kid(Some(self.name));
        stranger.token(&self.claims(claims))
    }

    fn claims(&self, mut claims: Value) -> Value {
        for (name, value) in [("iss", json!(self.name)), ("exp", json!(4_000_000_000_u64))] {
            if claims.get(name).is_none() {
                claims[name] = value;
            }
        }
        claims
    }
}

/// A gateway that runs, and what stands behind it.
pub(crate) struct Place {
    _gateway: Gateway,
    upstream: Upstream,
}

impl Place {
    /// Starts the binary over these files.
    pub(crate) fn start(upstream: Upstream, files: &[(&str, &str)]) -> Self {
        let setup = Setup::new(env!("CARGO_BIN_EXE_countersign"));
        let setup = files
            .iter()
            .fold(setup, |setup, (name, text)| setup.file(name, text));
        let gateway = setup.start();
        Self {
            _gateway: gateway.unwrap_or_else(|ended| panic!("{}", ended.stderr)),
            upstream,
        }
    }

    /// What the upstream got last.
    pub(crate) fn last(&self) -> Seen {
        let mut seen = self.upstream.seen();
        seen.pop().expect("a request that reached the upstream")
    }

    /// How many requests have reached the upstream.
    pub(crate) fn reached(&self) -> usize {
        self.upstream.seen().len()
    }
}

/// Sends a request over TLS to this server name.
pub(crate) fn over_tls(
    port: u16,
    name: &str,
    client: Arc<ClientConfig>,
    request: &Request,
) -> Response {
    let mut client = Client::connect_tls(local(port), name, client).expect("a handshake");
    client.send(request).expect("an answer")
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Status and body.
pub(crate) fn short(answer: &Response) -> (u16, String) {
    (answer.status, answer.text())
}

/// A Secret with the certificate of a server.
pub(crate) fn secret(namespace: &str, name: &str, identity: &Identity) -> String {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"tls.crt": identity.certificate, "tls.key": identity.key},
    })
    .to_string()
}

/// A ConfigMap with the certificate of an authority.
pub(crate) fn trust(namespace: &str, name: &str, authority: &Authority) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"ca.crt": authority.pem()},
    })
    .to_string()
}
