//! Who the owner of a certificate would be to a socket, for tools that explain decisions without a handshake.

use std::sync::Arc;
use std::time::Duration;

use countersign_config::compiled::ClientValidation;
use countersign_core::Identity;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::clients::Clients;

/// The identity that a client with this chain (PEM, its own certificate first) has at that moment, in seconds since 1970.
/// `None` where it is let in without one.
///
/// # Errors
/// Why the handshake would fail, in words.
pub fn vouch(
    validation: &Arc<ClientValidation>,
    chain: &str,
    now: u64,
) -> Result<Option<Identity>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = Clients::new(Arc::clone(validation), provider);
    let clients = clients.map_err(|it| format!("{} cannot be used: {}", it.origin, it.why))?;
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("the certificate cannot be read: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in PEM in it".to_owned());
    }
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let admitted = clients.admit(Some(&chain), now);
    admitted.map_err(|stranger| stranger.to_string())
}
