//! The client certificates that the suite speaks of, by its names for them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use countersign_core::Identity as Names;
use countersign_testkit::tls::rcgen::{CertificateParams, DnType};
use countersign_testkit::tls::{Authority, Identity};
use rustls::ClientConfig;
use serde_json::{Value, json};

/// Server name of the suite.
pub(crate) const SERVER: &str = "gw.example.com";

/// Subject alternative names; the subject is `CN=cn-` and the name.
const CLIENTS: [(&str, &[&str]); 9] = [
    ("web", &["spiffe://cluster.local/ns/default/sa/web"]),
    ("api", &["spiffe://cluster.local/ns/foo/sa/api"]),
    ("td2-web", &["spiffe://td2.example/ns/default/sa/web"]),
    (
        "nested",
        &["spiffe://cluster.local/region/eu/ns/default/pod/p1/sa/web/extra"],
    ),
    ("prefixns", &["spiffe://cluster.local/ns/default2/sa/web2"]),
    (
        "two-uris",
        &[
            "spiffe://cluster.local/ns/x/sa/one",
            "spiffe://cluster.local/ns/default/sa/web",
        ],
    ),
    ("dns", &["client.example.com"]),
    ("nosan", &[]),
    ("nonspiffe", &["https://cluster.local/ns/default/sa/web"]),
];

/// An authority, a server and the clients.
pub(crate) struct Certificates {
    authority: Authority,
    server: Identity,
    clients: HashMap<&'static str, Arc<ClientConfig>>,
    anonymous: Arc<ClientConfig>,
}

impl Certificates {
    /// Made once.
    pub(crate) fn all() -> &'static Self {
        static ALL: OnceLock<Certificates> = OnceLock::new();
        ALL.get_or_init(Self::new)
    }

    fn new() -> Self {
        let authority = Authority::new("cases");
        let clients = CLIENTS.iter().map(|(name, sans)| {
            let named = |params: &mut CertificateParams| {
                params.distinguished_name =
                    countersign_testkit::tls::rcgen::DistinguishedName::new();
                params
                    .distinguished_name
                    .push(DnType::CommonName, format!("cn-{name}"));
            };
            let identity = authority.issue_as(sans, named);
            (*name, authority.client(Some(&identity)))
        });
        Self {
            clients: clients.collect(),
            anonymous: authority.client(None),
            server: authority.issue(&[SERVER]),
            authority,
        }
    }

    /// The client's end for a case.
    pub(crate) fn client(&self, tls: &Value) -> Arc<ClientConfig> {
        let name = tls.get("cert").and_then(Value::as_str);
        Arc::clone(name.map_or(&self.anonymous, |it| &self.clients[it]))
    }

    /// What a Gateway of this namespace refers to.
    pub(crate) fn objects(&self, namespace: &str) -> String {
        let server = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "server", "namespace": namespace},
            "stringData": {"tls.crt": self.server.certificate, "tls.key": self.server.key},
        });
        let clients = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "clients", "namespace": namespace},
            "data": {"ca.crt": self.authority.pem()},
        });
        format!("{server}\n---\n{clients}\n")
    }
}

/// What the certificate of a case says of its owner.
pub(crate) fn names(tls: &Value) -> Option<Names> {
    let name = tls.get("cert")?.as_str()?;
    let (_, sans) = CLIENTS.iter().find(|it| it.0 == name)?;
    let (uris, dns): (Vec<&str>, Vec<&str>) = sans.iter().partition(|it| it.contains("://"));
    let boxed = |names: Vec<&str>| names.into_iter().map(Box::from).collect();
    Some(Names {
        uris: boxed(uris),
        dns: boxed(dns),
        subject: format!("CN=cn-{name}").into(),
        digest: "".into(),
    })
}
