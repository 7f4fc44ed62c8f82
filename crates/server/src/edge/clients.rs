//! Who clients are, by their certificates (decision P13).
//!
//! rustls asks a [`Clients`] whether a handshake may go on; once it is over,
//! [`Clients::identify`] says whose certificate it was. It looks at the chain
//! anew, because a resumed handshake shows none: what a certificate was worth
//! when its session began is nothing to go by.

mod der;
mod names;
mod subject;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use countersign_config::compiled::{Authority, ClientMode, ClientValidation};
use countersign_core::{Identity, Origin};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage};

/// See the module.
#[derive(Debug)]
pub(crate) struct Clients {
    validation: Arc<ClientValidation>,
    anchors: Vec<Anchors>,
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

/// The certificates of one authority.
#[derive(Debug)]
struct Anchors {
    roots: RootCertStore,
    trust_domains: Option<Box<[Box<str>]>>,
}

/// An authority whose certificates cannot be used.
pub(super) struct Unusable {
    pub(super) origin: Arc<Origin>,
    pub(super) why: Box<str>,
}

/// Why a certificate makes no identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Stranger {
    /// The handshake showed none.
    #[error("the client showed no certificate")]
    Nobody,
    /// It leads to no authority, has expired, is no client's, …
    #[error("the certificate does not verify: {0}")]
    Unverified(webpki::Error),
    /// Its names cannot be told apart from others.
    #[error("the certificate has a name that is no printable ASCII, or no valid encoding")]
    Unreadable,
    /// It was issued by an authority that is bound to other trust domains.
    #[error("the certificate's authority may not vouch for {0}")]
    Foreign(Box<str>),
}

impl Clients {
    /// Reads the certificates of all authorities.
    ///
    /// # Errors
    /// Those that cannot be used.
    pub(super) fn new(
        validation: Arc<ClientValidation>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Clients, Unusable> {
        let authorities = validation.authorities.iter();
        let anchors: Vec<Anchors> = authorities.map(anchors).collect::<Result<_, _>>()?;
        let hints = anchors.iter().flat_map(|it| it.roots.subjects()).collect();
        Ok(Clients {
            validation,
            anchors,
            hints,
            provider,
        })
    }

    /// What it checks by.
    pub(super) fn validation(&self) -> &Arc<ClientValidation> {
        &self.validation
    }

    /// The identity of the client at the other end of a handshake that is over.
    ///
    /// # Errors
    /// Where there is none and the client must not come in for it.
    pub(super) fn admit(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        now: UnixTime,
    ) -> Result<Option<Identity>, Stranger> {
        let known = match chain {
            Some([leaf, rest @ ..]) => self.identify(leaf, rest, now),
            _ => Err(Stranger::Nobody),
        };
        match (known, self.validation.mode) {
            (Ok(identity), _) => Ok(Some(identity)),
            (Err(stranger), ClientMode::ValidOnly) => Err(stranger),
            (Err(stranger), ClientMode::InsecureFallback) => {
                if stranger != Stranger::Nobody {
                    tracing::info!(reason = %stranger, "client without an identity");
                }
                Ok(None)
            }
        }
    }

    /// Whom a certificate names, if an authority that may do so vouches for it now.
    fn identify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Identity, Stranger> {
        let certificate = EndEntityCert::try_from(leaf).map_err(Stranger::Unverified)?;
        let identity = names::read(leaf).ok_or(Stranger::Unreadable)?;
        let mut stranger = Stranger::Unverified(webpki::Error::UnknownIssuer);
        for anchors in &self.anchors {
            let verified = certificate.verify_for_usage(
                self.provider.signature_verification_algorithms.all,
                &anchors.roots.roots,
                intermediates,
                now,
                KeyUsage::client_auth(),
                None,
                None,
            );
            match verified {
                Ok(_) => match anchors.forbidden(&identity) {
                    None => return Ok(identity),
                    Some(name) => stranger = Stranger::Foreign(name),
                },
                // What is said of the others says more.
                Err(webpki::Error::UnknownIssuer) => {}
                Err(error) if matches!(stranger, Stranger::Unverified(_)) => {
                    stranger = Stranger::Unverified(error);
                }
                Err(_) => {}
            }
        }
        Err(stranger)
    }
}

impl Anchors {
    /// A name of the certificate that this authority may not give. Bound to
    /// trust domains it gives SPIFFE names of these and no others: a DNS name
    /// or a subject would be nobody's.
    fn forbidden(&self, identity: &Identity) -> Option<Box<str>> {
        let bound = self.trust_domains.as_ref()?;
        let allowed = |uri: &str| {
            let rest = uri.strip_prefix("spiffe://").unwrap_or_default();
            let domain = rest.split_once('/').map_or(rest, |(domain, _)| domain);
            bound.iter().any(|it| **it == *domain)
        };
        if identity.uris.is_empty() {
            return Some("names other than SPIFFE's".into());
        }
        let foreign = identity.uris.iter().find(|uri| !allowed(uri));
        foreign.map(|uri| format!("`{uri}`").into())
    }
}

fn anchors(authority: &Authority) -> Result<Anchors, Unusable> {
    let bad = |why: &dyn std::fmt::Display| Unusable {
        origin: authority.origin.clone(),
        why: why.to_string().into(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.pem.as_bytes()) {
        let certificate = certificate.map_err(|error| bad(&error))?;
        roots.add(certificate).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() {
        return Err(bad(&"`ca.crt` holds no certificate"));
    }
    Ok(Anchors {
        roots,
        trust_domains: authority.trust_domains.clone(),
    })
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.validation.mode == ClientMode::ValidOnly
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if self.validation.mode == ClientMode::InsecureFallback {
            // `admit` gives no identity to what does not verify.
            return Ok(ClientCertVerified::assertion());
        }
        match self.identify(leaf, intermediates, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(stranger) => Err(alert(stranger).into()),
        }
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

/// What the client is told by the alert that ends its handshake.
fn alert(stranger: Stranger) -> CertificateError {
    match stranger {
        Stranger::Unverified(webpki::Error::UnknownIssuer) => CertificateError::UnknownIssuer,
        Stranger::Unverified(webpki::Error::CertExpired { .. }) => CertificateError::Expired,
        Stranger::Unverified(webpki::Error::CertNotValidYet { .. }) => {
            CertificateError::NotValidYet
        }
        Stranger::Unverified(webpki::Error::BadDer) => CertificateError::BadEncoding,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
}
