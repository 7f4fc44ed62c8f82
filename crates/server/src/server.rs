//! Starting and stopping: threads, sockets, the admin listener, and reloads.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use countersign_runtime::{Handle, Running, Tracer};
use thiserror::Error;
use tokio::runtime;
use tokio::task::JoinHandle;

use crate::access_log::Sink;
use crate::admin::{self, Admin, Log, Stage};
use crate::edge::acceptor::Acceptor;
use crate::edge::crew;
use crate::edge::handler::Handler;
use crate::edge::{Problem, Sockets, Unservable};
use crate::proxy::Tokens;
use crate::worker::Worker;

/// What concerns the process rather than its configuration.
#[derive(Debug)]
pub struct ServerOptions {
    /// Threads that serve connections; at least one.
    pub workers: usize,
    /// Where the admin listener is bound, if there is to be one. Anything but
    /// a loopback address shows the configuration to the network.
    pub admin: Option<SocketAddr>,
    /// The listening sockets. Whoever reloads asks them first
    /// ([`Sockets::prepare`]).
    pub sockets: Sockets,
    /// The log's level, for the admin listener.
    pub log: Log,
    /// Traces requests, if they are to be traced.
    pub tracer: Option<Tracer>,
}

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Addresses or certificates of the configuration.
    #[error("{0}")]
    Unservable(Unservable),
    /// The admin listener.
    #[error("cannot listen on {address} for the admin listener: {error}")]
    Admin {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Threads or event queues.
    #[error("cannot start threads: {0}")]
    System(#[from] io::Error),
    /// There is no tokio runtime to run reloads and the admin listener on.
    #[error("the server must be started on a tokio runtime")]
    NoRuntime,
}

impl StartError {
    /// Each problem with what to do about it.
    pub fn problems(&self) -> Vec<Problem> {
        let help = match self {
            StartError::Unservable(problems) => return problems.iter().collect(),
            StartError::Admin { address, error } => match error.kind() {
                io::ErrorKind::AddrInUse => format!(
                    "port {} is in use; name another one with `--admin`",
                    address.port()
                ),
                _ => "name an address of this machine and a free port from 1024 on with `--admin`"
                    .into(),
            },
            StartError::System(_) => "lower `--workers`, or raise the limits of this user".into(),
            StartError::NoRuntime => "call it from within `Runtime::block_on`".into(),
        };
        let message = self.to_string();
        vec![Problem { message, help }]
    }
}

/// A running server. Dropping it stops it as well, without waiting.
pub struct Server {
    sockets: Sockets,
    stage: Stage,
    admin: Option<(SocketAddr, JoinHandle<()>)>,
    reloads: Option<JoinHandle<()>>,
    tokens: Option<JoinHandle<()>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Server {
    /// Binds the sockets of the running configuration and serves them. Reloads
    /// and the admin listener run on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// What keeps it from serving. Nothing is left running then.
    pub fn start(
        handle: &Handle,
        access_log: Sink,
        options: ServerOptions,
    ) -> Result<Server, StartError> {
        let (own, tracer) = (handle.clone(), options.tracer.clone());
        let tokens = Tokens::new(handle.current().compiled.token_cache.bytes);
        let shared = tokens.clone();
        let worker = move |number| {
            let (shard, sink) = (own.metrics().shard(number), access_log.clone());
            Worker::start(own.clone(), shard, shared.clone(), sink, tracer.clone())
        };
        let mut server = Server::with(handle, options, worker)?;
        let counted = tokens.clone();
        let help = "Memory that verified tokens take in the cache.";
        let metrics = handle.metrics();
        metrics.gauge("countersign_token_cache_bytes", help, move || {
            counted.bytes()
        });
        server.tokens = Some(tokio::spawn(tokens.follow(handle.clone())));
        Ok(server)
    }

    /// Starts a server with handlers of the caller's, one on each worker.
    pub(crate) fn with<H: Handler>(
        handle: &Handle,
        options: ServerOptions,
        handler: impl Fn(usize) -> Rc<H> + Clone + Send + 'static,
    ) -> Result<Server, StartError> {
        let control = runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let ServerOptions {
            workers,
            admin,
            sockets,
            log,
            tracer: _,
        } = options;
        let running = handle.current();
        sockets
            .prepare(&running.compiled)
            .map_err(StartError::Unservable)?;
        let stage = Stage::default();
        let admin = admin.map(|address| {
            let pages = Admin {
                handle: handle.clone(),
                stage: stage.clone(),
                log,
            };
            admin::listen(address, pages).map_err(|error| StartError::Admin { address, error })
        });
        let admin = admin.transpose()?;
        let (seats, mut threads) = crew::start(workers.max(1), handle, handler)?;
        let (acceptor, thread) = Acceptor::start(seats)?;
        threads.push(thread);
        let first = sockets.adopt(&running.compiled);
        first
            .openings
            .into_iter()
            .for_each(|opening| acceptor.open(opening));
        stage.serves();
        let follow = follow(handle.clone(), running, sockets.clone(), acceptor);
        Ok(Server {
            sockets,
            stage,
            admin: admin.map(|(address, serving)| (address, control.spawn(serving))),
            reloads: Some(control.spawn(follow)),
            tokens: None,
            threads,
        })
    }

    /// Where clients are accepted, as the system tells it.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.addresses()
    }

    /// Where the admin listener is.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(address, _)| *address)
    }

    /// Stops accepting, lets running requests end within each socket's drain
    /// bound, then closes what is left. Meanwhile `/readyz` says no.
    pub async fn shutdown(mut self) {
        self.stage.drains();
        if let Some(reloads) = self.reloads.take() {
            reloads.abort();
            // It holds the acceptor, which must be gone for its thread to end.
            let _aborted = reloads.await;
        }
        self.sockets.close();
        let threads = std::mem::take(&mut self.threads);
        let ended = tokio::task::spawn_blocking(move || {
            threads
                .into_iter()
                .filter_map(|thread| thread.join().err())
                .count()
        });
        match ended.await {
            Ok(0) => {}
            Ok(panicked) => tracing::error!(panicked, "threads ended by a panic"),
            Err(error) => tracing::error!(%error, "waiting for threads"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let admin = self.admin.take().map(|(_, serving)| serving);
        self.reloads
            .take()
            .into_iter()
            .chain(self.tokens.take())
            .chain(admin)
            .for_each(|task| task.abort());
        self.sockets.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

/// Keeps the sockets as the running configuration wants them.
async fn follow(handle: Handle, mut running: Arc<Running>, sockets: Sockets, acceptor: Acceptor) {
    let mut versions = handle.subscribe();
    loop {
        let current = handle.current();
        if current.load != running.load {
            running = current;
            adopt(&running, &sockets, &acceptor).await;
        }
        if versions.changed().await.is_err() {
            return;
        }
    }
}

async fn adopt(running: &Running, sockets: &Sockets, acceptor: &Acceptor) {
    let mut change = sockets.adopt(&running.compiled);
    let closings = std::mem::take(&mut change.closings);
    change
        .openings
        .into_iter()
        .for_each(|opening| acceptor.open(opening));
    if !change.problems.binds.is_empty() && !closings.is_empty() {
        // A socket of ours that is on its way out may be what is in the way.
        for closed in closings {
            let _always_an_error = closed.await;
        }
        change = sockets.adopt(&running.compiled);
        change
            .openings
            .drain(..)
            .for_each(|opening| acceptor.open(opening));
    }
    for problem in change.problems.iter() {
        tracing::error!(help = problem.help, "{}", problem.message);
    }
}
