//! A client connection as the edge hands it to the proxy: who is at its other
//! end, and which socket and listener it belongs to.
//!
//! A connection outlives reloads. It knows its socket by the address it was
//! accepted on and its listener by name, and finds both again in each new
//! configuration ([`Connection::arrival`]).

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use countersign_config::compiled::{ClientValidation, SocketSettings};
use countersign_core::connection::TlsVersion;
use countersign_core::id::{ListenerId, SocketId};
use countersign_core::{Arrival, Identity};
use countersign_runtime::Running;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::gate::Permit;

/// One client connection. Lives on the worker that serves it; whoever goes on
/// with it after an upgrade keeps it, for it counts against the socket's limit
/// until it is dropped.
#[derive(Debug)]
pub struct Connection {
    /// Address of the other end, or what a trusted PROXY header said
    /// (decision P11). Never an IPv4-mapped one.
    pub peer: SocketAddr,
    /// Our own end.
    pub local: SocketAddr,
    /// The version of TLS, where it was terminated.
    pub tls: Option<TlsVersion>,
    /// Who the client proved to be by its certificate.
    pub identity: Option<Arc<Identity>>,
    /// HTTP/2, by ALPN or by prior knowledge.
    pub http2: bool,
    /// Server name that the client asked for in the TLS handshake, canonical.
    pub sni: Option<Box<str>>,
    /// The listening address, as [`bound`] gives it.
    bound: SocketAddr,
    /// Name of the listener that the handshake chose.
    listener: Option<Arc<str>>,
    /// Its TLS goes on to the backend.
    passes: bool,
    /// What the client's certificate was checked by.
    clients: Option<Arc<ClientValidation>>,
    place: Cell<Option<Place>>,
    /// How long what runs on it may go on once it is asked to end.
    drain: Duration,
    closes: watch::Sender<Option<Instant>>,
    _permit: Permit,
}

/// What the edge knows of a connection once its handshakes are over.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) bound: SocketAddr,
    pub(crate) tls: Option<TlsVersion>,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) clients: Option<Arc<ClientValidation>>,
    pub(crate) http2: bool,
    pub(crate) sni: Option<Box<str>>,
    pub(crate) listener: Option<Arc<str>>,
    pub(crate) passes: bool,
    pub(crate) drain: Duration,
}

/// Where a connection belongs in the configuration of one load.
#[derive(Debug, Clone, Copy)]
struct Place {
    load: u64,
    found: Option<(SocketId, Option<ListenerId>)>,
}

impl Connection {
    pub(crate) fn new(inbound: Inbound, permit: Permit) -> Connection {
        let Inbound {
            peer,
            local,
            bound,
            tls,
            identity,
            clients,
            http2,
            sni,
            listener,
            passes,
            drain,
        } = inbound;
        Connection {
            peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
            local,
            tls,
            identity,
            http2,
            sni,
            bound,
            listener,
            passes,
            clients,
            place: Cell::new(None),
            drain,
            closes: watch::Sender::new(None),
            _permit: permit,
        }
    }

    /// What [`countersign_core::prepare`] asks of a connection. `None` when
    /// this configuration has no such socket or listener any more, or checks
    /// client certificates in another way: the request belongs to nobody, and
    /// the edge closes the connection after its answer.
    pub fn arrival(&self, running: &Running) -> Option<Arrival<'_>> {
        let (socket, tls) = self.find(running)?;
        let port = running.compiled.snapshot.socket(socket)?.port;
        let connection = countersign_core::Connection {
            peer: self.peer,
            local: SocketAddr::new(self.local.ip().to_canonical(), port),
            sni: self.sni.as_deref(),
            tls: self.tls,
            identity: self.identity.as_deref(),
        };
        Some(Arrival {
            socket,
            tls,
            connection,
        })
    }

    /// Limits and timeouts of its socket in this configuration.
    pub fn settings<'r>(&self, running: &'r Running) -> Option<&'r SocketSettings> {
        let (socket, _) = self.find(running)?;
        running.compiled.sockets.get(socket.0 as usize)
    }

    /// The listener whose it is while no request says for which host it comes:
    /// that of the handshake, or the widest of the socket.
    pub(crate) fn widest(&self, running: &Running) -> Option<ListenerId> {
        let (socket, listener) = self.find(running)?;
        let snapshot = &running.compiled.snapshot;
        listener.or_else(|| snapshot.socket(socket)?.listeners.last().copied())
    }

    /// Whether its TLS goes on to the backend.
    pub(crate) fn passes(&self) -> bool {
        self.passes
    }

    /// Whether it is being closed: it gets no further requests, and what runs
    /// has until [`Connection::ended`].
    pub fn closing(&self) -> bool {
        self.closes.borrow().is_some()
    }

    /// Comes when whatever still runs on it must be cut off: at shutdown or
    /// after its socket went away, each time with the drain bound behind it.
    /// Upgraded connections end by this as well.
    pub async fn ended(&self) {
        let mut closes = self.closes.subscribe();
        // Cannot fail while `self` keeps the sender.
        let at = closes
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|at| *at);
        match at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Asks for its end, within the bound of its socket. The first time counts.
    pub(crate) fn close(&self) {
        let at = Instant::now() + self.drain;
        self.closes.send_if_modified(|closes| {
            let first = closes.is_none();
            closes.get_or_insert(at);
            first
        });
    }

    /// Name of the listener that the TLS handshake chose.
    pub(crate) fn listener(&self) -> Option<&Arc<str>> {
        self.listener.as_ref()
    }

    /// Comes when it is asked to end.
    pub(crate) async fn asked_to_close(&self) {
        let mut closes = self.closes.subscribe();
        if closes.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The same answer for one load, worked out once.
    fn find(&self, running: &Running) -> Option<(SocketId, Option<ListenerId>)> {
        match self.place.get() {
            Some(place) if place.load == running.load => place.found,
            _ => {
                let found = self.locate(running);
                self.place.set(Some(Place {
                    load: running.load,
                    found,
                }));
                found
            }
        }
    }

    fn locate(&self, running: &Running) -> Option<(SocketId, Option<ListenerId>)> {
        let id = socket_at(&running.compiled.sockets, self.bound)?;
        let snapshot = &running.compiled.snapshot;
        let socket = snapshot
            .socket(id)
            .filter(|socket| socket.tls == (self.passes || self.tls.is_some()))?;
        let settings = running.compiled.sockets.get(id.0 as usize)?;
        if !self.passes && settings.clients != self.clients {
            return None;
        }
        let Some(name) = &self.listener else {
            return Some((id, None));
        };
        let named = |id: &&ListenerId| snapshot.listener(**id).is_some_and(|it| it.name == *name);
        let listener = socket.listeners.iter().find(named)?;
        Some((id, Some(*listener)))
    }
}

/// The addresses that a socket listens on. `[::]` takes IPv4 as well, so it
/// stands for both unspecified addresses.
pub(crate) fn bound(settings: &SocketSettings) -> Vec<SocketAddr> {
    let everywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let addresses = if settings.addresses.contains(&everywhere) {
        vec![everywhere]
    } else {
        settings.addresses.to_vec()
    };
    addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, settings.port))
        .collect()
}

/// The socket that listens on an address as [`bound`] gives it.
pub(crate) fn socket_at(sockets: &[SocketSettings], address: SocketAddr) -> Option<SocketId> {
    (0u32..)
        .zip(sockets)
        .find(|(_, settings)| settings.port == address.port() && bound(settings).contains(&address))
        .map(|(id, _)| SocketId(id))
}
