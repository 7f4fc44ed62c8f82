//! Certificates and keys in PEM, checked as far as a listener or a connection will need them.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with a certificate or a key. Tells nothing of the key itself.
pub(crate) type Problem = &'static str;

/// Checks that a chain and a key can serve TLS together.
pub(crate) fn check_pair(chain: &str, key: &str) -> Result<(), Problem> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| "`tls.key` holds no private key in PEM")?;
    let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    match pair {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(_)) => {
            Err("`tls.key` is not the key of the first certificate in `tls.crt`")
        }
        Err(Error::InvalidCertificate(_)) => Err("`tls.crt` holds no valid X.509 certificate"),
        Err(_) => Err("`tls.key` holds a key that TLS cannot use here"),
    }
}

/// How many certificates a PEM text holds.
pub(crate) fn count(pem: &str) -> usize {
    certificates(pem).map_or(0, |all| all.len())
}

/// Checks that there is at least one certificate that can be a trust anchor, and that all can.
pub(crate) fn check_anchors(pem: &str) -> Result<(), Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        let added = roots.add(certificate);
        added.map_err(|_| "it holds something that is no valid X.509 certificate")?;
    }
    Ok(())
}

/// The certificates of a PEM text; at least one.
fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err("there is no certificate in PEM"),
    }
}

/// Joins PEM texts.
pub(crate) fn join(texts: &[Arc<str>]) -> Arc<str> {
    texts.join("\n").into()
}
