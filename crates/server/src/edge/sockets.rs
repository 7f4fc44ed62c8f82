//! The listening sockets across reloads: new ones are bound before anything is
//! given up, and one that is still wanted stays open.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use countersign_config::compiled::Compiled;
use countersign_runtime::reload::Apply;
use tokio::sync::oneshot;

use super::bind::{self, BindError};
use super::door::{Door, Security, Wanted, securities, wanted};
use super::tls::CertificateError;
use crate::gate::Gate;

/// The listening sockets of a server. Cheap to clone; the clones are one.
#[derive(Clone, Default)]
pub struct Sockets(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Bound for a configuration that is not in force yet. Nobody accepts on them.
    waiting: HashMap<SocketAddr, TcpListener>,
    open: HashMap<SocketAddr, Open>,
    /// By bound port.
    gates: HashMap<u16, Arc<Gate>>,
}

/// A socket that connections are accepted on.
struct Open {
    door: Arc<ArcSwap<Door>>,
    local: SocketAddr,
    /// Dropping it ends the accepting.
    _stop: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

/// What keeps a configuration from being served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unservable {
    /// Addresses that cannot be listened on.
    pub binds: Vec<BindError>,
    /// Certificates that cannot be used.
    pub certificates: Vec<CertificateError>,
}

/// What is in the way, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong and whose it is.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Unservable {
    /// Each problem in words.
    pub fn iter(&self) -> impl Iterator<Item = Problem> {
        let binds = self.binds.iter().map(|it| (it.to_string(), it.help()));
        let certificates = self
            .certificates
            .iter()
            .map(|it| (it.to_string(), it.help()));
        binds
            .chain(certificates)
            .map(|(message, help)| Problem { message, help })
    }

    fn is_empty(&self) -> bool {
        self.binds.is_empty() && self.certificates.is_empty()
    }
}

impl fmt::Display for Unservable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.iter().enumerate() {
            let line = if number > 0 { "\n" } else { "" };
            write!(f, "{line}{}\nhelp: {}", problem.message, problem.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Unservable {}

/// A socket to accept on from now on.
pub(crate) struct Opening {
    pub(crate) listener: TcpListener,
    pub(crate) door: Arc<ArcSwap<Door>>,
    /// Comes when it is no longer wanted.
    pub(crate) stop: oneshot::Receiver<()>,
    /// Dropped once the socket is closed.
    pub(crate) stopped: oneshot::Sender<()>,
}

/// What a new configuration changes.
pub(crate) struct Change {
    pub(crate) openings: Vec<Opening>,
    /// Each comes when a socket that is no longer wanted is closed.
    pub(crate) closings: Vec<oneshot::Receiver<()>>,
    pub(crate) problems: Unservable,
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sockets").field(&self.addresses()).finish()
    }
}

impl Sockets {
    /// Makes sure that a configuration can be served before it is put in
    /// force: binds what is not bound yet and reads the certificates.
    ///
    /// # Errors
    /// All that is in the way. The configuration in force goes on undisturbed.
    pub fn prepare(&self, compiled: &Compiled) -> Result<(), Unservable> {
        let (_, certificates) = securities(compiled);
        let mut problems = Unservable {
            binds: Vec::new(),
            certificates,
        };
        let mut state = self.lock();
        state.forget(compiled);
        for wanted in wanted(compiled) {
            if state.open.contains_key(&wanted.bound) || state.waiting.contains_key(&wanted.bound) {
                continue;
            }
            match bind::listen(wanted.bound) {
                Ok(listener) => {
                    state.waiting.insert(wanted.bound, listener);
                }
                Err(error) if state.in_own_way(&wanted, &error, compiled) => {}
                Err(error) => problems.binds.push(problem(&wanted, &error)),
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Where connections are accepted, as the system tells it.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses: Vec<_> = self.lock().open.values().map(|open| open.local).collect();
        addresses.sort_unstable();
        addresses
    }

    /// Takes over a configuration that is in force. Sockets that no address of
    /// it wants stop; those that stay let new connections in by its rules.
    pub(crate) fn adopt(&self, compiled: &Compiled) -> Change {
        let (securities, certificates) = securities(compiled);
        let mut problems = Unservable {
            binds: Vec::new(),
            certificates,
        };
        let mut state = self.lock();
        state.forget(compiled);
        let closings = state.close_unwanted(compiled);
        let mut openings = Vec::new();
        for wanted in wanted(compiled) {
            let security = security_of(compiled, &securities, &wanted);
            let gate = state.gate(&wanted);
            let door = Arc::new(wanted.door(compiled, security, gate));
            if let Some(open) = state.open.get(&wanted.bound) {
                open.door.store(door);
                continue;
            }
            let waiting = state.waiting.remove(&wanted.bound);
            match waiting.map_or_else(|| bind::listen(wanted.bound), Ok) {
                Ok(listener) => openings.push(state.open(wanted.bound, listener, door)),
                Err(error) => problems.binds.push(problem(&wanted, &error)),
            }
        }
        Change {
            openings,
            closings,
            problems,
        }
    }

    /// Stops accepting everywhere.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.open.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Apply for Sockets {
    async fn apply(&self, next: &Compiled) -> Result<(), String> {
        self.prepare(next).map_err(|problems| problems.to_string())
    }
}

impl State {
    /// Gives up what was bound for a configuration that never came.
    fn forget(&mut self, compiled: &Compiled) {
        self.waiting.retain(|address, _| wants(compiled, *address));
    }

    fn close_unwanted(&mut self, compiled: &Compiled) -> Vec<oneshot::Receiver<()>> {
        let unwanted: Vec<SocketAddr> = self
            .open
            .keys()
            .filter(|address| !wants(compiled, **address))
            .copied()
            .collect();
        unwanted
            .iter()
            .filter_map(|it| self.open.remove(it))
            .map(|open| open.stopped)
            .collect()
    }

    /// Whether a socket of ours that is about to go has the port: `[::]:80`
    /// becomes `192.0.2.1:80`. It is bound once the other is closed.
    fn in_own_way(&self, wanted: &Wanted<'_>, error: &io::Error, compiled: &Compiled) -> bool {
        error.kind() == io::ErrorKind::AddrInUse
            && self
                .open
                .keys()
                .any(|open| open.port() == wanted.bound.port() && !wants(compiled, *open))
    }

    fn gate(&mut self, wanted: &Wanted<'_>) -> Arc<Gate> {
        let limit = wanted.settings.limits.connections;
        let gate = self
            .gates
            .entry(wanted.bound.port())
            .or_insert_with(|| Gate::new(limit));
        gate.set_limit(limit);
        gate.clone()
    }

    fn open(&mut self, bound: SocketAddr, listener: TcpListener, door: Arc<Door>) -> Opening {
        let (stop, stop_wanted) = oneshot::channel();
        let (closed, stopped) = oneshot::channel();
        let door = Arc::new(ArcSwap::new(door));
        let local = listener.local_addr().unwrap_or(bound);
        self.open.insert(
            bound,
            Open {
                door: door.clone(),
                local,
                _stop: stop,
                stopped,
            },
        );
        Opening {
            listener,
            door,
            stop: stop_wanted,
            stopped: closed,
        }
    }
}

fn wants(compiled: &Compiled, address: SocketAddr) -> bool {
    wanted(compiled).any(|wanted| wanted.bound == address)
}

fn security_of(compiled: &Compiled, securities: &[Security], wanted: &Wanted<'_>) -> Security {
    let sockets = compiled.snapshot.sockets.iter().zip(securities);
    let own = sockets
        .into_iter()
        .find(|(socket, _)| std::ptr::eq(*socket, wanted.socket));
    own.map_or(Security::Closed, |(_, security)| security.clone())
}

fn problem(wanted: &Wanted<'_>, error: &io::Error) -> BindError {
    BindError::new(
        wanted.bound,
        wanted.settings.origin.clone(),
        wanted.socket.port,
        error,
    )
}
