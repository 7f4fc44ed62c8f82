//! Throw-away certificate authorities, and the TLS ends that trust them.

use std::sync::Arc;

pub use rcgen;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one under this common name.
    ///
    /// # Panics
    /// When the system has no randomness.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate"),
        }
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for both ends of TLS. A name with `://` becomes a URI, an IP address an address, any other a
    /// DNS name.
    ///
    /// # Panics
    /// When a name is none of these.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_as(names, |_| {})
    }

    /// The same, with whatever `change` makes of it.
    ///
    /// # Panics
    /// When a name is none of these.
    #[must_use]
    pub fn issue_as(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let (uris, hosts): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| name.contains("://"));
        let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(hosts).expect("host names");
        for uri in uris {
            params
                .subject_alt_names
                .push(SanType::URI(uri.try_into().expect("an ASCII URI")));
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A server's end that shows `identity` and takes any client.
    ///
    /// # Panics
    /// When certificate and key do not fit.
    #[must_use]
    pub fn server(identity: &Identity) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(identity.chain(), identity.private());
        Arc::new(config.expect("a certificate with its key"))
    }

    /// A server's end that shows `identity` and takes only clients with a certificate of this authority.
    ///
    /// # Panics
    /// When certificate and key do not fit.
    #[must_use]
    pub fn mutual_server(&self, identity: &Identity) -> Arc<ServerConfig> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider()).build();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.expect("a root"))
            .with_single_cert(identity.chain(), identity.private());
        Arc::new(config.expect("a certificate with its key"))
    }

    /// A client's end that trusts this authority alone and shows `identity` where there is one.
    ///
    /// # Panics
    /// When certificate and key do not fit.
    #[must_use]
    pub fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots());
        Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let config = config.with_client_auth_cert(identity.chain(), identity.private());
                config.expect("a certificate with its key")
            }
        })
    }

    /// The same for these versions of TLS, still to be changed.
    ///
    /// # Panics
    /// When certificate and key do not fit.
    #[must_use]
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: &Identity,
    ) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(self.roots());
        let config = config.with_client_auth_cert(identity.chain(), identity.private());
        config.expect("a certificate with its key")
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        roots
    }
}

/// A certificate with its private key, both as PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl Identity {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("our own PEM")]
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("our own PEM")
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
