//! A scripted HTTP server on threads of its own: a function from what it saw to what it answers.
//!
//! HTTP/1.1 is read by [`crate::wire`], so the order, spelling and bytes of what came are kept; a connection
//! that opens with the HTTP/2 preface (RFC 9113 section 3.4) is served by hyper. Dropping the site closes its
//! listener and cuts every connection.

mod conversation;
mod h2c;
mod reply;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::wire::Headers;

pub use reply::Reply;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `HTTP/1.1` or `HTTP/2`.
    pub version: &'static str,
    /// The method.
    pub method: String,
    /// The request target, query included.
    pub target: String,
    /// Headers as received; over HTTP/2 `:authority` is put first, under that name.
    pub headers: Headers,
    /// The body, de-chunked.
    pub body: Vec<u8>,
    /// Trailers as received.
    pub trailers: Headers,
    /// Which connection it came by, counted from 1.
    pub connection: u64,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The request's head, byte for byte; empty over HTTP/2.
    pub head: Vec<u8>,
}

impl Seen {
    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// A running server.
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    accept: Option<JoinHandle<()>>,
}

impl Site {
    /// Serves on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be bound.
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), None, script).expect("a free port")
    }

    /// Serves on this address, over TLS (ALPN `http/1.1`) where `tls` is given.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Box::new(script),
            tls,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accept = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self {
            address,
            shared,
            accept: Some(accept),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.state().accepted
    }

    /// Waits until at least `count` requests have come, ten seconds at most, and returns all that did.
    ///
    /// # Panics
    /// When they do not come.
    #[must_use]
    pub fn wait(&self, count: usize) -> Vec<Seen> {
        let state = self.shared.state();
        let (state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.seen.len() < count)
            .expect(LOCK);
        assert!(
            !timeout.timed_out(),
            "{} requests came, not {count}",
            state.seen.len()
        );
        state.seen.clone()
    }

    /// Cuts every open connection; the listener stays.
    pub fn cut(&self) {
        for stream in self.shared.state().open.values() {
            // Fails only where the peer was faster.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        self.cut();
        // Wakes `accept`, which then sees that it is over and closes the listener.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(accept) = self.accept.take().filter(|_| woken) {
            let _panicked = accept.join();
        }
    }
}

/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);
const LOCK: &str = "no thread panics while it holds the lock";

struct Shared {
    script: Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
    tls: Option<Arc<rustls::ServerConfig>>,
    state: Mutex<State>,
    /// Signalled when a request came and when the site stops.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    accepted: u64,
    stopped: bool,
    /// A second handle on each connection, to cut it with.
    open: HashMap<u64, TcpStream>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(LOCK)
    }

    fn answer(&self, seen: Seen) -> Reply {
        let reply = (self.script)(&seen);
        self.state().seen.push(seen);
        self.changed.notify_all();
        reply
    }

    /// Sleeps, but not past the end of the site; `false` when that has come.
    fn pause(&self, time: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), time, |state| !state.stopped)
            .expect(LOCK);
        !state.stopped
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let mut state = shared.state();
        if state.stopped {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else {
            continue;
        };
        state.accepted += 1;
        let connection = state.accepted;
        state.open.insert(connection, handle);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A peer that breaks off or sends what is no HTTP only ends its own connection.
            let _broken = conversation::serve(&shared, stream, connection);
            if let Some(stream) = shared.state().open.remove(&connection) {
                let _gone = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

#[cfg(test)]
mod tests;
