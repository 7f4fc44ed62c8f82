//! TLS towards clients: one rustls configuration per socket and load, the
//! certificate and the listener chosen by SNI.

use std::sync::Arc;

use countersign_config::compiled::{Certificate, SocketSettings};
use countersign_core::Snapshot;
use countersign_core::host::{self, HostPattern};
use countersign_core::id::ListenerId;
use countersign_core::listener::{Mode, Socket};
use countersign_core::origin::Origin;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use super::clients::Clients;

/// What a socket needs for handshakes.
#[derive(Clone)]
pub(crate) struct Tls {
    /// For handshakes that end here; `None` where none may.
    ends: Option<Ends>,
    names: Arc<Names>,
}

/// What handshakes end with.
#[derive(Clone)]
pub(crate) struct Ends {
    http: TlsAcceptor,
    /// For bytes of whatever kind: nothing is agreed on what they are.
    bytes: TlsAcceptor,
    /// Checks the certificates of clients, where they are asked for one.
    pub(crate) clients: Option<Arc<Clients>>,
}

impl Ends {
    pub(crate) fn acceptor(&self, mode: Mode) -> &TlsAcceptor {
        match mode {
            Mode::Http => &self.http,
            Mode::Stream | Mode::Passthrough => &self.bytes,
        }
    }
}

/// A certificate that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the certificate of {origin} cannot be used: {why}")]
pub struct CertificateError {
    /// The Secret.
    pub origin: Arc<Origin>,
    /// What is wrong with it.
    pub why: Box<str>,
}

impl CertificateError {
    /// What to do about it.
    pub fn help(&self) -> String {
        "put the certificate with its chain under `tls.crt` and its private key under `tls.key`, \
         both in PEM, as `kubectl create secret tls` does"
            .into()
    }
}

impl Tls {
    /// Reads the certificates of a socket.
    ///
    /// # Errors
    /// Every certificate that cannot be used.
    pub(crate) fn new(
        snapshot: &Snapshot,
        socket: &Socket,
        settings: &SocketSettings,
    ) -> Result<Tls, Vec<CertificateError>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (names, errors) = Names::new(snapshot, socket, settings, &provider);
        let names = Arc::new(names);
        let clients = settings.clients.as_ref();
        let clients = clients.map(|it| Clients::new(it.clone(), provider.clone()));
        let clients = clients.transpose().map_err(|it| {
            vec![CertificateError {
                origin: it.origin,
                why: it.why,
            }]
        })?;
        let clients = clients.map(Arc::new);
        let nobody = settings.clients.as_ref();
        let nobody = nobody.is_some_and(|it| it.authorities.is_empty());
        match server(provider, names.clone(), clients.clone()) {
            Ok(config) if errors.is_empty() => Ok(Tls {
                ends: (!nobody).then(|| Ends::new(config, clients)),
                names,
            }),
            Ok(_) => Err(errors),
            Err(error) => {
                let own = CertificateError {
                    origin: settings.origin.clone(),
                    why: says(&error),
                };
                Err(errors.into_iter().chain([own]).collect())
            }
        }
    }

    /// The listener that a handshake with this server name is for.
    pub(crate) fn listener(&self, sni: Option<&str>) -> Option<&Entry> {
        self.names.find(sni)
    }

    /// Whether the server name must be known before a handshake is answered.
    pub(crate) fn peeks(&self) -> bool {
        self.names.0.iter().any(|it| it.mode != Mode::Http)
    }

    /// What handshakes end with. `None` where there is no authority to check
    /// clients with, although they must be.
    pub(crate) fn ends(&self) -> Option<&Ends> {
        self.ends.as_ref()
    }
}

/// Sessions are resumed by tickets and from a cache that live as long as this
/// configuration: none goes on under the authorities of another load.
fn server(
    provider: Arc<CryptoProvider>,
    names: Arc<Names>,
    clients: Option<Arc<Clients>>,
) -> Result<ServerConfig, rustls::Error> {
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match clients {
        Some(clients) => config.with_client_cert_verifier(clients),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(names);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

/// The listeners of a socket, narrowest hostname first.
#[derive(Debug)]
struct Names(Vec<Entry>);

/// A listener by its hostname.
#[derive(Debug)]
pub(crate) struct Entry {
    host: HostPattern,
    /// Its name.
    pub(crate) listener: Arc<str>,
    /// What becomes of its connections.
    pub(crate) mode: Mode,
    keys: Vec<Arc<CertifiedKey>>,
}

impl Names {
    fn new(
        snapshot: &Snapshot,
        socket: &Socket,
        settings: &SocketSettings,
        provider: &CryptoProvider,
    ) -> (Names, Vec<CertificateError>) {
        let mut errors = Vec::new();
        let mut keys = |id: ListenerId| {
            let own = settings.certificates.iter().filter(|it| it.listener == id);
            let read = own.map(|it| certified(it, provider));
            let usable = read.filter_map(|read| read.map_err(|error| errors.push(error)).ok());
            usable.map(Arc::new).collect()
        };
        let entry = |id: &ListenerId| {
            let listener = snapshot.listener(*id)?;
            let (host, name) = (listener.host.clone(), listener.name.clone());
            Some(Entry {
                host,
                listener: name,
                mode: listener.mode,
                keys: keys(*id),
            })
        };
        (
            Names(socket.listeners.iter().filter_map(entry).collect()),
            errors,
        )
    }

    /// The listener with the narrowest hostname that matches; without a name,
    /// one without a hostname.
    fn find(&self, sni: Option<&str>) -> Option<&Entry> {
        let sni = sni.map(host::canonical);
        self.0.iter().find(|entry| match &sni {
            Some(name) => entry.host.matches(name),
            None => entry.host == HostPattern::Any,
        })
    }
}

impl ResolvesServerCert for Names {
    /// The first certificate that the client can check. A listener that lost
    /// its certificates refuses: a wider listener's rules are not its own.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = &self.find(hello.server_name())?.keys;
        let offered = hello.signature_schemes();
        let fits = keys
            .iter()
            .find(|key| key.key.choose_scheme(offered).is_some());
        fits.cloned()
    }
}

fn certified(
    certificate: &Certificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let bad = |why: Box<str>| CertificateError {
        origin: certificate.origin.clone(),
        why,
    };
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| bad(format!("`tls.crt` is no PEM: {error}").into()))?;
    if chain.is_empty() {
        return Err(bad("`tls.crt` holds no certificate".into()));
    }
    // What these errors print is the kind of the fault, never the key.
    let key = PrivateKeyDer::from_pem_slice(certificate.key.reveal().as_bytes());
    let key = key.map_err(|_| bad("`tls.key` holds no private key in PEM".into()))?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|_| bad("`tls.key` is of a kind that is not supported".into()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(bad(
            "`tls.key` does not belong to the first certificate of `tls.crt`".into(),
        )),
        Err(error) => Err(bad(says(&error))),
    }
}

impl Ends {
    fn new(config: ServerConfig, clients: Option<Arc<Clients>>) -> Ends {
        let mut bytes = config.clone();
        bytes.alpn_protocols = Vec::new();
        Ends {
            http: TlsAcceptor::from(Arc::new(config)),
            bytes: TlsAcceptor::from(Arc::new(bytes)),
            clients,
        }
    }
}

fn says(error: &rustls::Error) -> Box<str> {
    error.to_string().into()
}
