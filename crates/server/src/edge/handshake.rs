//! TLS handshakes: whose they are, where they end, and what they settle.

use std::io;
use std::sync::Arc;

use countersign_config::compiled::ClientValidation;
use countersign_core::Identity;
use countersign_core::connection::TlsVersion;
use countersign_core::host;
use countersign_core::listener::Mode;
use rustls_pki_types::UnixTime;
use thiserror::Error;

use super::clients::Stranger;
use super::hello::{self, BadHello};
use super::tls::{Ends, Tls};
use super::wire::{Tcp, Wire};

/// What a handshake settled; nothing on cleartext connections.
#[derive(Default)]
pub(super) struct Handshake {
    /// `None` where the handshake goes on to the backend.
    pub(super) version: Option<TlsVersion>,
    pub(super) sni: Option<Box<str>>,
    pub(super) listener: Option<Arc<str>>,
    /// What becomes of the connection.
    pub(super) mode: Mode,
    pub(super) http2: bool,
    pub(super) identity: Option<Arc<Identity>>,
    /// What the client was checked by.
    pub(super) clients: Option<Arc<ClientValidation>>,
}

/// Why a handshake came to nothing.
#[derive(Debug, Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Hello(#[from] BadHello),
    #[error("TLS handshake: {0}")]
    Tls(io::Error),
    #[error("no listener serves {}", name(.0.as_deref()))]
    NoListener(Option<Box<str>>),
    #[error("there is no authority to check clients with")]
    Closed,
    #[error(transparent)]
    Stranger(#[from] Stranger),
}

impl Failed {
    /// Whether it is about who the client is: the only thing that the client
    /// cannot find out by itself.
    pub(super) fn is_stranger(&self) -> bool {
        use rustls::Error::{InvalidCertificate, NoCertificatesPresented};
        match self {
            Failed::Stranger(_) => true,
            Failed::Tls(error) => {
                let cause = error.get_ref().and_then(|it| it.downcast_ref());
                matches!(cause, Some(InvalidCertificate(_) | NoCertificatesPresented))
            }
            _ => false,
        }
    }
}

/// A server name as a client asked for it.
fn name(sni: Option<&str>) -> String {
    sni.map_or_else(
        || "clients that name no server".to_owned(),
        |name| format!("the name `{name}`"),
    )
}

/// Takes part in a handshake, or only looks which listener it is for.
pub(super) async fn shake(tls: &Tls, mut tcp: Tcp) -> Result<(Wire, Handshake), Failed> {
    let mut mode = Mode::Http;
    if tls.peeks() {
        let sni = hello::server_name(&mut tcp).await?;
        let Some(entry) = tls.listener(sni.as_deref()) else {
            return Err(Failed::NoListener(sni));
        };
        mode = entry.mode;
        if mode == Mode::Passthrough {
            let passed = Handshake {
                sni,
                listener: Some(entry.listener.clone()),
                mode,
                ..Handshake::default()
            };
            return Ok((Wire::Clear(tcp), passed));
        }
    }
    end(tls, tls.ends().ok_or(Failed::Closed)?, mode, tcp).await
}

async fn end(tls: &Tls, ends: &Ends, mode: Mode, tcp: Tcp) -> Result<(Wire, Handshake), Failed> {
    let stream = ends.acceptor(mode).accept(tcp).await.map_err(Failed::Tls)?;
    let (_, session) = stream.get_ref();
    let sni = session.server_name().map(host::canonical);
    let sni: Option<Box<str>> = sni.map(|it| it.into_owned().into());
    let found = tls.listener(sni.as_deref());
    // The same bytes name the same listener.
    let Some(entry) = found.filter(|it| it.mode == mode) else {
        return Err(Failed::NoListener(sni));
    };
    let identity = match &ends.clients {
        Some(clients) => clients.admit(session.peer_certificates(), UnixTime::now())?,
        None => None,
    };
    let shaken = Handshake {
        version: Some(match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        }),
        sni,
        listener: Some(entry.listener.clone()),
        mode,
        http2: session.alpn_protocol() == Some(b"h2"),
        identity: identity.map(Arc::new),
        clients: ends.clients.as_ref().map(|it| it.validation().clone()),
    };
    Ok((Wire::Tls(Box::new(stream)), shaken))
}
