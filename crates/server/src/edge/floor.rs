//! A worker's connections: from TCP to a [`Connection`] that HTTP is spoken
//! on or whose bytes are passed on, and what a reload means to them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use countersign_core::listener::Mode;
use countersign_runtime::{Handle, Shard};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::door::{Accepted, Door, Security};
use super::handler::Handler;
use super::handshake::{self, Handshake};
use super::http;
use super::proxy_protocol::{self, Bad};
use super::unfit::Unfit;
use super::wire::{Tcp, Wire};
use crate::connection::{Connection, Inbound, socket_at};

/// See the module.
pub(super) struct Floor<H> {
    handler: Rc<H>,
    handle: Handle,
    shard: Arc<Shard>,
    connections: RefCell<Vec<Weak<Connection>>>,
    /// Length of `connections` at which the ended ones are taken out.
    sweep: Cell<usize>,
    closing: Cell<bool>,
    /// Told when connections that have said nothing may have to go.
    news: watch::Sender<()>,
}

/// A connection that was let in.
struct Guest {
    wire: Wire,
    connection: Rc<Connection>,
    mode: Mode,
}

impl<H: Handler> Floor<H> {
    pub(super) fn new(handler: Rc<H>, handle: Handle, shard: Arc<Shard>) -> Floor<H> {
        Floor {
            handler,
            handle,
            shard,
            connections: RefCell::default(),
            sweep: Cell::new(SMALLEST),
            closing: Cell::new(false),
            news: watch::Sender::new(()),
        }
    }

    /// Serves a connection to its end.
    pub(super) async fn receive(self: Rc<Self>, accepted: Accepted) {
        let (peer, door) = (accepted.peer, accepted.door.clone());
        match self.greet(accepted).await {
            Ok(Some(Guest {
                wire,
                connection,
                mode: Mode::Http,
            })) => {
                let bounds = (door.limits, door.timeouts);
                drop(door);
                http::serve(wire, connection, self.handler.clone(), bounds).await;
            }
            Ok(Some(Guest {
                wire, connection, ..
            })) => {
                drop(door);
                self.handler.clone().stream(connection, wire).await;
            }
            Ok(None) => {}
            Err(unfit) => unfit.note(&self.handle, peer),
        }
    }

    /// Closes every connection, now and to come, each within its bound.
    pub(super) fn close(&self) {
        self.closing.set(true);
        self.news.send_replace(());
        self.each(Connection::close);
    }

    /// Closes connections whose socket or listener a reload took away.
    pub(super) async fn follow(self: Rc<Self>, handle: Handle) {
        let mut versions = handle.subscribe();
        let mut load = handle.current().load;
        while versions.changed().await.is_ok() {
            let running = handle.current();
            if running.load != load {
                load = running.load;
                self.news.send_replace(());
                self.each(|connection| {
                    if connection.arrival(&running).is_none() {
                        connection.close();
                    }
                });
            }
        }
    }

    fn each(&self, act: impl Fn(&Connection)) {
        for connection in self.connections.borrow().iter().filter_map(Weak::upgrade) {
            act(&connection);
        }
    }

    fn keep(&self, connection: &Rc<Connection>) {
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.sweep.get() {
            connections.retain(|it| it.strong_count() > 0);
            self.sweep.set(SMALLEST.max(connections.len() * 2));
        }
        connections.push(Rc::downgrade(connection));
    }

    /// All that comes before what a connection is for. `None` when the client
    /// left without a word.
    async fn greet(&self, accepted: Accepted) -> Result<Option<Guest>, Unfit> {
        let Accepted {
            tcp,
            peer,
            door,
            mut permit,
        } = accepted;
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        let local = tcp.local_addr()?;
        let mut tcp = Tcp::new(TcpStream::from_std(tcp)?);
        let bound = door.timeouts.request_headers;
        let mut client = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if door.is_proxy(client.ip()) {
            client = timeout(bound, introduced(&mut tcp, client)).await??;
        }
        let (wire, shaken) = match &door.security {
            Security::Closed => return Err(Unfit::Closed),
            Security::Clear => {
                let Some(http2) = self.first_words(&mut tcp, &door).await? else {
                    return Ok(None);
                };
                let clear = Handshake {
                    http2,
                    ..Handshake::default()
                };
                (Wire::Clear(tcp), clear)
            }
            Security::Bytes => {
                let clear = Handshake {
                    mode: Mode::Stream,
                    ..Handshake::default()
                };
                (Wire::Clear(tcp), clear)
            }
            Security::Tls(tls) => timeout(bound, handshake::shake(tls, tcp)).await??,
        };
        let Handshake {
            version,
            sni,
            listener,
            mode,
            http2,
            identity,
            clients,
        } = shaken;
        let inbound = Inbound {
            peer: client,
            local,
            bound: door.bound,
            tls: version,
            identity,
            clients,
            http2,
            sni,
            listener,
            passes: mode == Mode::Passthrough,
            drain: door.timeouts.drain,
        };
        let listener = inbound.listener.as_ref().unwrap_or(&door.listener);
        permit.show(self.shard.open(listener));
        let connection = Rc::new(Connection::new(inbound, permit));
        self.keep(&connection);
        if connection.arrival(&self.handle.current()).is_none() {
            return Err(Unfit::Gone);
        }
        if self.closing.get() {
            connection.close();
        }
        Ok(Some(Guest {
            wire,
            connection,
            mode,
        }))
    }

    /// Whether a cleartext client speaks HTTP/2, by its first bytes
    /// (RFC 9113 section 3.3). `None` when it leaves before it says anything,
    /// or is not worth waiting for.
    async fn first_words(&self, tcp: &mut Tcp, door: &Door) -> Result<Option<bool>, Unfit> {
        if tcp.ahead().is_empty() && !self.hears(tcp, door).await {
            return Ok(None);
        }
        let rest = async {
            while PREFACE.starts_with(tcp.ahead()) && tcp.ahead().len() < PREFACE.len() {
                if tcp.look().await? == 0 {
                    return Ok(false);
                }
            }
            Ok::<_, io::Error>(tcp.ahead().starts_with(PREFACE))
        };
        Ok(Some(timeout(door.timeouts.request_headers, rest).await??))
    }
}

impl<H> Floor<H> {
    /// Waits for a client's first bytes, within its bound and while its socket
    /// is there.
    async fn hears(&self, tcp: &mut Tcp, door: &Door) -> bool {
        let mut news = self.news.subscribe();
        let bound = door.timeouts.request_headers.min(door.timeouts.idle);
        let mut look = pin!(timeout(bound, tcp.look()));
        loop {
            let running = self.handle.current();
            if self.closing.get() || socket_at(&running.compiled.sockets, door.bound).is_none() {
                return false;
            }
            drop(running);
            tokio::select! {
                read = &mut look => return matches!(read, Ok(Ok(1..))),
                _ = news.changed() => {}
            }
        }
    }
}

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const SMALLEST: usize = 64;

/// Reads the PROXY header that this peer must send, and returns the address
/// that it speaks for.
async fn introduced(tcp: &mut Tcp, peer: SocketAddr) -> Result<SocketAddr, Unfit> {
    loop {
        if let Some(header) = proxy_protocol::parse(tcp.ahead())? {
            tcp.skip(header.length);
            return Ok(header.source.unwrap_or(peer));
        }
        if tcp.look().await? == 0 {
            return Err(Bad::Missing.into());
        }
    }
}
