//! The gateway as a process: keys, doors and reloads on one control runtime, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use countersign_config::compiled::Compiled;
use countersign_config::load;
use countersign_config::source::Text;
use countersign_runtime::keys::{Network, dice};
use countersign_runtime::reload;
use countersign_runtime::texts::Sources;
use countersign_runtime::traces::{self, Exporter};
use countersign_runtime::{Handle, Metrics, Tracer};
use countersign_server::{
    Log, Server, ServerOptions, Sink, Sockets, StartError, Unservable, Writer,
};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};
use crate::load::environment;

/// What a gateway is started with.
pub(crate) struct Plan {
    pub(crate) compiled: Compiled,
    /// Threads that serve; as many as there are processors if nothing is said.
    pub(crate) workers: Option<NonZero<usize>>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) log: Log,
    /// How requests are traced, if they are.
    pub(crate) traces: Option<traces::Plan>,
    /// Where newer configurations come from.
    pub(crate) reloads: Option<Reloads>,
}

/// How the configuration is kept up to date.
pub(crate) struct Reloads {
    pub(crate) sources: Arc<Sources>,
    /// What the first configuration was made of.
    pub(crate) texts: Vec<Text>,
    pub(crate) refuse_unprotect: bool,
}

/// A gateway that serves.
pub(crate) struct Gateway {
    server: Server,
    writer: Writer,
    exporter: Option<Exporter>,
}

impl Gateway {
    /// Binds and serves, on the present runtime.
    ///
    /// # Errors
    /// What is in the way, all of it.
    pub(crate) fn start(plan: Plan) -> Result<Self, Failure> {
        if plan.reloads.is_some() {
            // From here on SIGHUP no longer ends the process: whoever sends one early means no harm.
            drop(signals(SignalKind::hangup())?);
        }
        let handle = Handle::start(
            Arc::new(plan.compiled),
            Arc::new(Network),
            dice,
            Metrics::new(),
        );
        let lost = handle.metrics().counter(
            "countersign_access_log_dropped_total",
            "",
            "Lines of the access log that were lost because it could not keep up.",
        );
        let (sink, writer) = Sink::start(io::stdout(), lost).map_err(|error| {
            Failure::new(
                Exit::Failure,
                format!("there is no thread for the access log: {error}"),
            )
        })?;
        let traces = plan
            .traces
            .map(|plan| Tracer::start(plan, handle.metrics()));
        let (tracer, exporter) = traces.unzip();
        let sockets = Sockets::default();
        let options = ServerOptions {
            workers: plan.workers.map_or_else(processors, NonZero::get),
            admin: plan.admin,
            sockets: sockets.clone(),
            log: plan.log,
            tracer,
        };
        let server = Server::start(&handle, sink, options).map_err(not_started)?;
        if let Some(reloads) = plan.reloads {
            tokio::spawn(reload::run(reload::Plan {
                handle,
                sources: reloads.sources,
                texts: reloads.texts,
                compile: Arc::new(|texts| load(texts, &environment)),
                apply: sockets,
                refuse_unprotect: reloads.refuse_unprotect,
                report: Box::new(|_| {}),
            }));
        }
        Ok(Self {
            server,
            writer,
            exporter,
        })
    }

    /// Where clients are served.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.server.addresses()
    }

    /// Where the admin listener is.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        self.server.admin()
    }

    /// Serves until a signal comes, then lets running requests end. A second signal cuts them off.
    pub(crate) async fn until_signal(self, signals: &mut Signals) -> Exit {
        let signal = signals.next().await;
        tracing::info!(
            signal,
            "draining: no new connections, running requests may end"
        );
        tokio::select! {
            () = self.server.shutdown() => {}
            signal = signals.next() => {
                tracing::warn!(signal, "ending at once, with requests still running");
                return Exit::Interrupted;
            }
        }
        if let Some(exporter) = self.exporter {
            exporter.finish().await;
        }
        let writer = self.writer;
        // Fails only where the runtime is going down already.
        let _written = tokio::task::spawn_blocking(move || writer.finish()).await;
        tracing::info!("all requests have ended");
        Exit::Success
    }
}

/// What tells the process to end.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on, so that a signal during the start is not lost.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signals(SignalKind::terminate())?,
            interrupt: signals(SignalKind::interrupt())?,
        })
    }

    /// The next one, by name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn signals(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        Failure::new(
            Exit::Failure,
            format!("signals cannot be received: {error}"),
        )
    })
}

/// Runs on a runtime for everything but requests, which workers serve on threads of their own.
///
/// # Errors
/// When there is no such runtime, and whatever `main` fails with.
pub(crate) fn on_control_runtime(
    main: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build();
    let runtime: Runtime = runtime.map_err(|error| {
        Failure::new(Exit::Failure, format!("threads cannot be started: {error}"))
    })?;
    let end = runtime.block_on(main);
    // After a second signal nobody waits for what still runs.
    runtime.shutdown_background();
    end
}

/// Fetching keys must go on while somebody looks at a large configuration.
const CONTROL_THREADS: usize = 2;

fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Unservable(problems) => unservable(&problems),
        StartError::Admin { .. } => Failure::new(Exit::Failure, error.to_string())
            .help("name another address with `--admin`"),
        StartError::System(_) | StartError::NoRuntime => {
            Failure::new(Exit::Failure, error.to_string())
        }
    }
}

fn unservable(problems: &Unservable) -> Failure {
    let exit = if problems.binds.is_empty() {
        Exit::Invalid
    } else {
        Exit::Failure
    };
    let failures = problems
        .iter()
        .map(|it| Failure::new(exit, it.message).help(it.help));
    failures
        .reduce(Failure::and)
        .unwrap_or_else(|| Failure::new(exit, "the configuration cannot be served"))
}
