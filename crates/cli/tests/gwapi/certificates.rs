//! Certificates that the manifests name and the suite makes before it runs.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_testkit::tls::{Authority, Identity};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::dial::Issuer;

const INFRA: &str = "gateway-conformance-infra";
const APP: &str = "gateway-conformance-app-backend";
const WEB: &str = "gateway-conformance-web-backend";

/// Names of a backend's certificate.
const BACKEND: &[&str] = &[
    "abc.example.com",
    "spiffe://abc.example.com/test-identity",
    "other.example.com",
];
/// In place of the names that a test asks the Gateway for.
const ASKED: &[&str] = &[];

/// Namespace and name of each Secret, and the names in its certificate.
const SECRETS: &[(&str, &str, &[&str])] = &[
    (INFRA, "tls-validity-checks-certificate", ASKED),
    (WEB, "certificate", ASKED),
    (INFRA, "tls-checks-certificate", BACKEND),
    (
        INFRA,
        "tls-passthrough-checks-certificate",
        &["abc.example.com"],
    ),
    (
        APP,
        "tls-passthrough-checks-certificate",
        &["abc.example.com"],
    ),
    (
        INFRA,
        "tls-terminate-checks-certificate",
        &["abc.example.com"],
    ),
];

/// What one test works with.
pub(crate) struct Certificates {
    pub(crate) authority: Authority,
    stranger: Authority,
    /// Of clients.
    issuers: [(Issuer, Authority); 2],
    identities: HashMap<(String, String), Identity>,
}

impl Certificates {
    /// Makes all; `asked` are the host names under which the test asks for Gateways.
    pub(crate) fn make(asked: &[String]) -> Self {
        let authority = Authority::new("conformance");
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let identities = SECRETS.iter().map(|(namespace, name, names)| {
            let names = if names.is_empty() {
                asked.as_slice()
            } else {
                names
            };
            let key = ((*namespace).to_owned(), (*name).to_owned());
            (key, authority.issue(names))
        });
        let identities = identities.collect();
        Self {
            authority,
            stranger: Authority::new("somebody else"),
            issuers: [
                (Issuer::Default, Authority::new("clients")),
                (Issuer::PerPort, Authority::new("clients of a port")),
            ],
            identities,
        }
    }

    /// The certificate in a Secret.
    pub(crate) fn of(&self, namespace: &str, name: &str) -> Result<&Identity, String> {
        let key = (namespace.to_owned(), name.to_owned());
        let found = self.identities.get(&key);
        found.ok_or_else(|| format!("nothing makes the Secret {namespace}/{name}"))
    }

    /// A client's end of TLS, with a certificate of this issuer.
    pub(crate) fn client(&self, issuer: Option<Issuer>) -> Arc<ClientConfig> {
        let issuer = self.issuers.iter().find(|(it, _)| Some(*it) == issuer);
        let identity = issuer.map(|(_, authority)| authority.issue(&["client.test"]));
        self.authority.client(identity.as_ref())
    }

    /// The Secrets, and the ConfigMaps with the authorities.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let metadata = |namespace: &str, name: &str| json!({"namespace": namespace, "name": name});
        let mut objects: Vec<Value> = self
            .identities
            .iter()
            .map(|((namespace, name), identity)| {
                json!({
                    "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                    "metadata": metadata(namespace, name),
                    "data": {
                        "tls.crt": STANDARD.encode(&identity.certificate),
                        "tls.key": STANDARD.encode(&identity.key),
                    },
                })
            })
            .collect();
        let [(_, clients), (_, per_port)] = &self.issuers;
        let authorities = [
            ("tls-checks-ca-certificate", self.authority.pem()),
            ("mismatch-ca-certificate", self.stranger.pem()),
            ("tls-validity-checks-ca-certificate", clients.pem()),
            (
                "tls-validity-checks-per-port-ca-certificate",
                per_port.pem(),
            ),
        ];
        objects.extend(authorities.map(|(name, pem)| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": metadata(INFRA, name),
                "data": {"ca.crt": pem},
            })
        }));
        objects
    }
}
