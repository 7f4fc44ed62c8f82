//! What the backends saw.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use countersign_testkit::site::Seen;
use countersign_testkit::tls::Identity;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::manifests::Document;

/// The request header by which the journal knows a request.
pub(crate) const ID: &str = "x-conformance-request";

/// Which workloads saw a request, and what they saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    sightings: Arc<Mutex<HashMap<String, Vec<Sighting>>>>,
    /// Server names that were asked for in TLS handshakes, by workload.
    names: Arc<Mutex<Vec<(String, String)>>>,
}

/// One request as it reached a workload.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) namespace: String,
    pub(crate) workload: String,
    pub(crate) seen: Seen,
}

impl Journal {
    pub(crate) fn of(&self, id: &str) -> Vec<Sighting> {
        let all = self.sightings.lock().expect(LOCK);
        all.get(id).cloned().unwrap_or_default()
    }

    pub(crate) fn note(&self, sighting: Sighting) {
        let id = sighting.seen.headers.first(ID).unwrap_or_default();
        let id = id.to_owned();
        let mut all = self.sightings.lock().expect(LOCK);
        all.entry(id).or_default().push(sighting);
    }

    /// Whether a workload was ever asked for this server name.
    pub(crate) fn was_asked_for(&self, workload: &str, name: &str) -> bool {
        let all = self.names.lock().expect(LOCK);
        all.iter()
            .any(|(who, asked)| who == workload && asked == name)
    }

    /// The TLS end of a workload, which notes the names it is asked for.
    pub(crate) fn tls(
        &self,
        workload: &Document,
        identity: &Identity,
    ) -> Result<Arc<ServerConfig>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
        let key = any_supported_type(&key.map_err(|it| text(&it))?).map_err(|it| text(&it))?;
        let shown = CertifiedKey::new(vec![chain.map_err(|it| text(&it))?], key);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|it| text(&it))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Listening {
                journal: self.clone(),
                workload: workload.name().to_owned(),
                shown: Arc::new(shown),
            }));
        Ok(Arc::new(config))
    }
}

const LOCK: &str = "no thread panics while it holds the lock";

/// Shows one certificate, whatever is asked for.
#[derive(Debug)]
struct Listening {
    journal: Journal,
    workload: String,
    shown: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Listening {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_owned();
        let mut all = self.journal.names.lock().expect(LOCK);
        all.push((self.workload.clone(), name));
        Some(Arc::clone(&self.shown))
    }
}
