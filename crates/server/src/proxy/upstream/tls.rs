//! TLS towards backends: whom a certificate must come from and whom it must name.

use std::sync::{Arc, OnceLock};

use countersign_core::backend::{AppProtocol, BackendTls, Ca, SubjectName};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

/// What it takes to connect to one backend.
pub(super) struct Tls {
    /// For requests: offers what the backend may speak.
    pub(super) requests: TlsConnector,
    /// For upgrades, which need HTTP/1.1.
    pub(super) upgrades: TlsConnector,
    /// For bytes of any kind: nothing is agreed on what they are.
    pub(super) bytes: TlsConnector,
    /// SNI.
    pub(super) name: ServerName<'static>,
}

impl Tls {
    /// Reads trust anchors and names.
    ///
    /// # Errors
    /// Why nothing this backend shows could be trusted.
    pub(super) fn new(tls: &BackendTls, protocol: AppProtocol) -> Result<Tls, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new(tls, provider.clone())?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let name = server_name(&tls.server_name)?;
        let bytes = TlsConnector::from(Arc::new(config.clone()));
        config.alpn_protocols = vec![HTTP1.into()];
        let upgrades = TlsConnector::from(Arc::new(config.clone()));
        config.alpn_protocols = match protocol {
            AppProtocol::Http => vec![HTTP2.into(), HTTP1.into()],
            AppProtocol::Http2 => vec![HTTP2.into()],
            AppProtocol::WebSocket => vec![HTTP1.into()],
        };
        Ok(Tls {
            requests: TlsConnector::from(Arc::new(config)),
            upgrades,
            bytes,
            name,
        })
    }
}

/// ALPN of HTTP/2 (RFC 9113 section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Demands a chain to the trust anchors and one of the names.
#[derive(Debug)]
struct Verifier {
    roots: Arc<RootCertStore>,
    names: Box<[Name]>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Name {
    Host(ServerName<'static>),
    Uri(Box<str>),
}

impl Verifier {
    fn new(tls: &BackendTls, provider: Arc<CryptoProvider>) -> Result<Verifier, String> {
        let names = if tls.names.is_empty() {
            Box::new([Name::Host(server_name(&tls.server_name)?)]) as Box<[Name]>
        } else {
            let read = |name: &SubjectName| match name {
                SubjectName::Dns(host) => server_name(host).map(Name::Host),
                SubjectName::Uri(uri) => Ok(Name::Uri(uri.clone())),
            };
            tls.names.iter().map(read).collect::<Result<_, _>>()?
        };
        Ok(Verifier {
            roots: roots(&tls.ca)?,
            names,
            provider,
        })
    }

    fn names_any(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let uris = || -> Result<Vec<&str>, rustls::Error> {
            let read = webpki::EndEntityCert::try_from(certificate);
            let read = read.map_err(|_| CertificateError::BadEncoding)?;
            Ok(read.valid_uri_names().collect())
        };
        for name in &self.names {
            let named = match name {
                Name::Host(host) => verify_server_name(&parsed, host).is_ok(),
                Name::Uri(uri) => uris()?.contains(&&**uri),
            };
            if named {
                return Ok(());
            }
        }
        Err(CertificateError::NotValidForName.into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        self.names_any(certificate)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("`{text}` is no host name"))
}

fn roots(ca: &Ca) -> Result<Arc<RootCertStore>, String> {
    match ca {
        Ca::System => system_roots(),
        Ca::Pem(text) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
            if roots.is_empty() {
                return Err("the CA has no certificate".to_owned());
            }
            Ok(Arc::new(roots))
        }
        Ca::Broken => Err("the CA that its policy refers to is missing".to_owned()),
    }
}

/// Read once for all workers: it takes the system a while.
fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err("this system has no CA certificates".to_owned());
    }
    Ok(roots.clone())
}

#[cfg(test)]
mod tests {
    use countersign_testkit::tls::Authority;

    use super::*;

    fn verify(authority: &Authority, shown: &[&str], wanted: &BackendTls) -> Result<(), String> {
        let identity = authority.issue(shown);
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let verifier = Verifier::new(wanted, Arc::new(aws_lc_rs::default_provider()))?;
        let sni = ServerName::try_from("sni.test").unwrap();
        let verified = verifier.verify_server_cert(&certificate, &[], &sni, &[], UnixTime::now());
        verified.map(|_| ()).map_err(|error| format!("{error:?}"))
    }

    fn wanted(authority: &Authority, names: &[SubjectName]) -> BackendTls {
        BackendTls {
            server_name: "backend.test".into(),
            names: names.into(),
            ca: Ca::Pem(authority.pem().into()),
        }
    }

    #[test]
    fn the_server_name_must_be_in_the_certificate_unless_names_are_stated() {
        let authority = Authority::new("ca");
        let by_name = wanted(&authority, &[]);
        assert_eq!(verify(&authority, &["backend.test"], &by_name), Ok(()));
        assert!(
            verify(&authority, &["sni.test"], &by_name)
                .unwrap_err()
                .contains("NotValidForName")
        );

        let spiffe = "spiffe://cluster.local/ns/a/sa/b";
        let stated = [
            SubjectName::Dns("other.test".into()),
            SubjectName::Uri(spiffe.into()),
        ];
        let stated = wanted(&authority, &stated);
        assert_eq!(verify(&authority, &["other.test"], &stated), Ok(()));
        assert_eq!(verify(&authority, &[spiffe], &stated), Ok(()));
        for shown in ["backend.test", "spiffe://cluster.local/ns/a/sa/bb"] {
            assert!(verify(&authority, &[shown], &stated).is_err(), "{shown}");
        }
    }

    #[test]
    fn only_the_stated_ca_is_trusted_and_a_missing_one_trusts_nobody() {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let refused = verify(&theirs, &["backend.test"], &wanted(&ours, &[])).unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{refused}");
        let broken = BackendTls {
            ca: Ca::Broken,
            ..wanted(&ours, &[])
        };
        assert!(
            verify(&ours, &["backend.test"], &broken)
                .unwrap_err()
                .contains("is missing")
        );
        let empty = BackendTls {
            ca: Ca::Pem("".into()),
            ..wanted(&ours, &[])
        };
        assert!(
            verify(&ours, &["backend.test"], &empty)
                .unwrap_err()
                .contains("no certificate")
        );
    }
}
