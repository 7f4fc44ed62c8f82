//! TLS towards the servers of documents.

use std::sync::Arc;

use countersign_core::backend::Ca;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Error;

/// Makes a connection a TLS one, verified against `host`.
pub(super) async fn wrap(
    host: &str,
    ca: &Ca,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let failed = |cause: String| Error::Tls {
        host: host.into(),
        cause,
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let config = config(roots(ca).await?).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    // Names of the certificate are in the text: nothing in them may drive the terminal of who reads the log.
    stream.map_err(|error| failed(error.to_string().escape_debug().to_string()))
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Read anew for each connection, so that certificates that the system replaces are noticed.
async fn roots(ca: &Ca) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match ca {
        Ca::Broken => return Err(Error::Roots("the reference to them did not resolve".into())),
        Ca::Pem(text) => {
            let certificates: Result<Vec<_>, _> =
                CertificateDer::pem_slice_iter(text.as_bytes()).collect();
            let certificates =
                certificates.map_err(|_| Error::Roots("the PEM text is broken".into()))?;
            roots.add_parsable_certificates(certificates);
        }
        Ca::System => {
            let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let loaded =
                loaded.map_err(|_| Error::Roots("the system's could not be read".into()))?;
            roots.add_parsable_certificates(loaded.certs);
            if let (true, Some(error)) = (roots.is_empty(), loaded.errors.first()) {
                return Err(Error::Roots(format!(
                    "the system's could not be read: {error}"
                )));
            }
        }
    }
    if roots.is_empty() {
        Err(Error::Roots("none was found".into()))
    } else {
        Ok(roots)
    }
}
