//! What holds for new connections of one listening address under one
//! configuration.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use countersign_config::compiled::{Compiled, Limits, SocketSettings, Timeouts};
use countersign_core::listener::{Mode, Socket};
use ipnet::IpNet;

use super::tls::{CertificateError, Tls};
use crate::connection::bound;
use crate::gate::{Gate, Permit};

/// See the module.
pub(crate) struct Door {
    /// The address, as [`bound`] gives it.
    pub(crate) bound: SocketAddr,
    pub(crate) gate: Arc<Gate>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) security: Security,
    /// Name of the widest listener, which cleartext connections are counted
    /// under: whose they are shows with each request only.
    pub(crate) listener: Arc<str>,
    proxies: Box<[IpNet]>,
}

/// A connection on its way to a worker.
pub(crate) struct Accepted {
    pub(crate) tcp: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) door: Arc<Door>,
    pub(crate) permit: Permit,
}

/// What a connection starts with.
#[derive(Clone)]
pub(crate) enum Security {
    /// Nothing: HTTP at once.
    Clear,
    /// Nothing: bytes to pass on at once.
    Bytes,
    /// A TLS handshake.
    Tls(Tls),
    /// Its certificates cannot be used: nobody comes in.
    Closed,
}

impl Door {
    /// Whether this peer speaks for others and says so first (decision P11).
    pub(crate) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|net| net.contains(&peer))
    }
}

/// Certificates of every socket, in the order of the configuration's sockets.
pub(crate) fn securities(compiled: &Compiled) -> (Vec<Security>, Vec<CertificateError>) {
    let mut errors = Vec::new();
    let mut secure = |socket: &Socket, settings: &SocketSettings| {
        if !socket.tls {
            let mut listeners = socket.listeners.iter();
            let http = listeners.all(|id| {
                compiled
                    .snapshot
                    .listener(*id)
                    .is_some_and(|it| it.mode == Mode::Http)
            });
            return if http {
                Security::Clear
            } else {
                Security::Bytes
            };
        }
        match Tls::new(&compiled.snapshot, socket, settings) {
            Ok(tls) => Security::Tls(tls),
            Err(bad) => {
                errors.extend(bad);
                Security::Closed
            }
        }
    };
    let sockets = compiled.snapshot.sockets.iter().zip(&compiled.sockets);
    let securities = sockets
        .map(|(socket, settings)| secure(socket, settings))
        .collect();
    (securities, errors)
}

/// An address to listen on, and what makes its [`Door`].
pub(crate) struct Wanted<'a> {
    pub(crate) bound: SocketAddr,
    pub(crate) settings: &'a SocketSettings,
    pub(crate) socket: &'a Socket,
}

/// Every address that a configuration listens on.
pub(crate) fn wanted(compiled: &Compiled) -> impl Iterator<Item = Wanted<'_>> {
    let sockets = compiled.snapshot.sockets.iter().zip(&compiled.sockets);
    sockets.flat_map(|(socket, settings)| {
        bound(settings).into_iter().map(move |bound| Wanted {
            bound,
            settings,
            socket,
        })
    })
}

impl Wanted<'_> {
    pub(crate) fn door(&self, compiled: &Compiled, security: Security, gate: Arc<Gate>) -> Door {
        let widest = self
            .socket
            .listeners
            .last()
            .and_then(|id| compiled.snapshot.listener(*id));
        Door {
            bound: self.bound,
            gate,
            limits: self.settings.limits,
            timeouts: self.settings.timeouts,
            security,
            listener: widest.map_or_else(|| "".into(), |listener| listener.name.clone()),
            proxies: self.settings.proxy_protocol.clone(),
        }
    }
}
