//! Which socket and listener a request comes in by.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_config::compiled::{ClientMode, Compiled, SocketSettings};
use countersign_core::connection::{Connection, TlsVersion};
use countersign_core::host::{self, HostPattern};
use countersign_core::id::{ListenerId, SocketId};
use countersign_core::listener::{Listener, Mode, Socket};

use crate::request::{Ask, Impossible};

/// A way in.
pub(crate) struct Entrance<'c> {
    pub(crate) id: SocketId,
    pub(crate) socket: &'c Socket,
    pub(crate) settings: &'c SocketSettings,
    /// Server name of the handshake, on TLS.
    pub(crate) sni: Option<Box<str>>,
    /// The listener that the handshake chose, on TLS.
    pub(crate) tls: Option<ListenerId>,
}

/// Finds the socket by what is told of it: listener, port, scheme, host, in this order.
///
/// # Errors
/// When none fits or several do, or the handshake would fail.
pub(crate) fn find<'c>(compiled: &'c Compiled, ask: &Ask) -> Result<Entrance<'c>, Impossible> {
    let all = (0u32..).map(SocketId).zip(&compiled.snapshot.sockets);
    let mut left: Vec<_> = all
        .zip(&compiled.sockets)
        .map(|((id, socket), settings)| (id, socket, settings))
        .collect();
    if left.is_empty() {
        return Err(Impossible::new("the configuration has no listener")
            .help("name the file with the Gateway as well"));
    }
    if let Some(name) = &ask.door.listener {
        left.retain(|(_, socket, _)| has_listener(compiled, socket, name));
    }
    if let Some(port) = ask.door.port {
        let of_gateway = left.iter().any(|(_, socket, _)| socket.port == port);
        left.retain(|(_, socket, settings)| match of_gateway {
            true => socket.port == port,
            false => settings.port == port,
        });
    }
    if left.is_empty() {
        return Err(Impossible::new("no listener is as you say").help(listeners(compiled)));
    }
    narrow(&mut left, |(_, socket, _)| {
        ask.door.tls.is_none_or(|tls| socket.tls == tls)
    });
    let host = ask.host.as_deref().map(host::canonical).unwrap_or_default();
    narrow(&mut left, |(_, socket, _)| {
        answers_for(compiled, socket, &host)
    });
    let [(id, socket, settings)] = left.as_slice() else {
        return Err(
            Impossible::new("the request may come in by several listeners")
                .help(listeners(compiled)),
        );
    };
    let sni = socket.tls.then(|| server_name(ask, &host)).flatten();
    let tls = match socket.tls {
        true => Some(handshake(compiled, socket, sni.as_deref())?),
        false => None,
    };
    Ok(Entrance {
        id: *id,
        socket,
        settings,
        sni,
        tls,
    })
}

/// Keeps those that fit, if any do.
fn narrow<T>(left: &mut Vec<T>, fits: impl Fn(&T) -> bool) {
    if left.iter().any(&fits) {
        left.retain(fits);
    }
}

fn has_listener(compiled: &Compiled, socket: &Socket, name: &str) -> bool {
    let is_meant = |full: &str| full == name || full.rsplit('/').next() == Some(name);
    let mut listeners = socket.listeners.iter();
    listeners.any(|id| {
        compiled
            .snapshot
            .listener(*id)
            .is_some_and(|it| is_meant(&it.name))
    })
}

fn answers_for(compiled: &Compiled, socket: &Socket, host: &str) -> bool {
    let mut listeners = socket.listeners.iter();
    listeners.any(|id| {
        compiled
            .snapshot
            .listener(*id)
            .is_some_and(|it| it.host.matches(host))
    })
}

fn listeners(compiled: &Compiled) -> String {
    let sockets = compiled.snapshot.sockets.iter();
    let each = sockets.flat_map(|socket| {
        let names = socket.listeners.iter();
        let names = names.filter_map(|id| compiled.snapshot.listener(*id));
        names.map(|it| format!("`{}` on port {}", it.name, socket.port))
    });
    let each: Vec<_> = each.collect();
    format!("name one by port or name: {}", each.join(", "))
}

/// As clients do: the host, unless it is an address (RFC 6066 section 3).
fn server_name(ask: &Ask, host: &str) -> Option<Box<str>> {
    let told = ask.sni.as_deref().map(|sni| host::canonical(sni).into());
    let address = host.parse::<IpAddr>().is_ok() || host.starts_with('[');
    told.or_else(|| (!host.is_empty() && !address).then(|| host.into()))
}

/// The narrowest listener for a server name; without one, a listener for any host.
fn handshake(
    compiled: &Compiled,
    socket: &Socket,
    sni: Option<&str>,
) -> Result<ListenerId, Impossible> {
    let fits = |id: &&ListenerId| {
        let listener = compiled.snapshot.listener(**id);
        listener.is_some_and(|it| match sni {
            Some(name) => it.host.matches(name),
            None => it.host == HostPattern::Any,
        })
    };
    let found = socket.listeners.iter().find(fits).copied();
    found.ok_or_else(|| {
        let name = sni.map_or("no server name".to_owned(), |sni| {
            format!("the server name `{sni}`")
        });
        let why = format!("port {} has no listener for {name}", socket.port);
        Impossible::handshake(why).help(listeners(compiled))
    })
}

/// What holds on the socket that a request comes in by: limits, and how clients are checked.
///
/// # Errors
/// As [`crate::ask()`].
pub fn socket<'c>(compiled: &'c Compiled, ask: &Ask) -> Result<&'c SocketSettings, Impossible> {
    find(compiled, ask).map(|it| it.settings)
}

impl<'c> Entrance<'c> {
    /// The listener as far as it is known before a request: that of the handshake, or the first of the socket.
    pub(crate) fn listener_id(&self) -> Option<ListenerId> {
        self.tls.or_else(|| self.socket.listeners.first().copied())
    }

    /// See [`Entrance::listener_id`].
    pub(crate) fn listener(&self, compiled: &'c Compiled) -> Option<&'c Listener> {
        compiled.snapshot.listener(self.listener_id()?)
    }

    /// The connection that a request comes in on.
    pub(crate) fn connection<'a>(&'a self, compiled: &Compiled, ask: &'a Ask) -> Connection<'a> {
        let bound = self.settings.addresses.first().copied();
        let local = ask.local.or(bound.filter(|it| !it.is_unspecified()));
        let peer = ask
            .peer
            .or(self.lone_client(compiled, ask))
            .unwrap_or(LOOPBACK);
        let ends_here = |it: &Listener| it.mode != Mode::Passthrough;
        let ends_here = self
            .listener_id()
            .and_then(|id| compiled.snapshot.listener(id))
            .is_none_or(ends_here);
        Connection {
            peer: SocketAddr::new(peer.to_canonical(), CLIENT_PORT),
            local: SocketAddr::new(local.unwrap_or(LOOPBACK), self.socket.port),
            sni: self.sni.as_deref(),
            tls: (self.socket.tls && ends_here).then_some(TlsVersion::Tls13),
            identity: ask.identity.as_ref(),
        }
    }

    /// The client where no proxy stands before the gateway: it is the other end of the connection.
    fn lone_client(&self, compiled: &Compiled, ask: &Ask) -> Option<IpAddr> {
        let hops = self.socket.listeners.iter();
        let mut hops = hops.filter_map(|id| compiled.snapshot.listener(*id));
        ask.client.filter(|_| hops.all(|it| it.proxies.hops == 0))
    }

    /// Whether a client can be who it is said to be here.
    ///
    /// # Errors
    /// When nobody is asked for a certificate, or everybody must show one.
    pub(crate) fn check(&self, ask: &Ask) -> Result<(), Impossible> {
        let port = self.socket.port;
        let impossible = |message: String, help: &str| Err(Impossible::new(message).help(help));
        match (&self.settings.clients, &ask.identity) {
            (None, None) => Ok(()),
            (None, Some(_)) if !self.socket.tls => impossible(
                format!("port {port} has no TLS, so nobody can show a certificate there"),
                "ask at a listener with TLS",
            ),
            (None, Some(_)) => impossible(
                format!("port {port} asks no client for a certificate, so none counts there"),
                "`tls.frontend` of the Gateway has it ask",
            ),
            (Some(clients), _) if clients.authorities.is_empty() => Err(Impossible::handshake(
                format!("port {port} has no CA that vouches for clients"),
            )),
            (Some(clients), None) if clients.mode == ClientMode::ValidOnly => {
                let why = format!("every client of port {port} must show a certificate");
                Err(Impossible::handshake(why)
                    .help("say whose: by its name, or the certificate itself"))
            }
            (Some(_), _) => Ok(()),
        }
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Any; no policy reads it.
const CLIENT_PORT: u16 = 49152;
