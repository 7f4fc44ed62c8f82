//! A server in this process, with one listener and one route to one backend.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_config::compiled::{
    AccessLog, Compiled, Limits, RemoteKeys, SocketSettings, Timeouts,
};
use countersign_core::backend::{AppProtocol, Backend, Endpoint};
use countersign_core::host::HostPattern;
use countersign_core::id::{BackendId, ListenerId, RuleId};
use countersign_core::listener::{Listener, Socket};
use countersign_core::origin::Origin;
use countersign_core::route::{Match, RouteEntry, RouteRule, RouteTable, WeightedBackend};
use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
use countersign_runtime::{Counter, Handle, Metrics};
use countersign_server::{Server, ServerOptions, Sink, Sockets};
use countersign_testkit::port;
use serde_json::Value;
use tokio::runtime::{self, Runtime};

/// A running server; its threads end when it is dropped.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    log: Log,
    _server: Server,
    _control: Runtime,
}

/// What the access log has written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Site {
    /// Serves everything from this backend.
    pub(crate) fn start(backend: SocketAddr) -> Site {
        let control = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let control = control.unwrap();
        let inside = control.enter();
        let bind = port::free();
        let compiled = Arc::new(compiled(bind, backend));
        let (metrics, log) = (Metrics::new(), Log::default());
        let handle = Handle::start(compiled, Arc::new(NoKeys), || 0.5, metrics.clone());
        let (sink, _writer) = Sink::start(log.clone(), Counter::default()).unwrap();
        let server = Server::start(&handle, sink, options(None)).unwrap();
        drop(inside);
        let address = (Ipv4Addr::LOCALHOST, bind).into();
        Site {
            address,
            metrics,
            log,
            _server: server,
            _control: control,
        }
    }

    /// The lines of the access log once there are so many.
    pub(crate) fn logged(&self, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let text = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            let lines: Vec<Value> = lines.collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) fn options(admin: Option<SocketAddr>) -> ServerOptions {
    ServerOptions {
        workers: 1,
        admin,
        sockets: Sockets::default(),
        log: countersign_server::Log {
            level: Box::new(|| "off".into()),
            set: Box::new(|_| Ok(())),
        },
        tracer: None,
    }
}

/// One listener for every host, and one route to this backend.
pub(crate) fn compiled(bind: u16, backend: SocketAddr) -> Compiled {
    let mut compiled = Compiled::default();
    let (snapshot, id) = (&mut compiled.snapshot, ListenerId(0));
    snapshot.sockets = [Socket {
        port: bind,
        tls: false,
        listeners: [id].into(),
    }]
    .into();
    snapshot.listeners = [listener()].into();
    snapshot.rules = [rule()].into();
    snapshot.backends = [Backend {
        origin: origin("Backend"),
        name: "default/echo:80".into(),
        protocol: AppProtocol::Http,
        endpoints: [Endpoint {
            host: backend.ip().to_string().into(),
            port: backend.port(),
        }]
        .into(),
        tls: None,
    }]
    .into();
    compiled.sockets = [SocketSettings {
        origin: origin("Gateway"),
        addresses: [Ipv4Addr::LOCALHOST.into()].into(),
        port: bind,
        certificates: [].into(),
        clients: None,
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        proxy_protocol: [].into(),
        streams_outlive_token: false,
        access_log: AccessLog::Json,
        debug_header: None,
    }]
    .into();
    compiled
}

fn listener() -> Listener {
    let (host, matches) = (HostPattern::Any, Match::default());
    let entry = RouteEntry {
        host: host.clone(),
        matches,
        rule: RuleId(0),
        jwt: None,
        rbac: None,
        age: 0,
    };
    Listener {
        origin: origin("Gateway"),
        name: "default/web/http".into(),
        host,
        mode: Default::default(),
        routes: RouteTable::new(vec![entry]),
        istio: None,
        jwt: None,
        policies: None,
        rbac: None,
        identity: Default::default(),
        routes_on_identity: false,
        normalization: Default::default(),
        proxies: Default::default(),
        closed: None,
    }
}

fn rule() -> RouteRule {
    let filters = Default::default();
    RouteRule {
        origin: origin("HTTPRoute"),
        name: "default/all/0".into(),
        filters: Default::default(),
        backends: [WeightedBackend {
            backend: Some(BackendId(0)),
            weight: 1,
            filters,
        }]
        .into(),
        timeouts: Default::default(),
        closed: None,
    }
}

fn origin(kind: &'static str) -> Arc<Origin> {
    let (namespace, name) = ("default".into(), "web".into());
    Arc::new(Origin {
        kind,
        namespace,
        name,
        part: "".into(),
        file: "a.yaml".into(),
        line: 1,
    })
}

/// Nothing here has keys to fetch.
pub(crate) struct NoKeys;

impl Fetch for NoKeys {
    fn fetch(&self, _: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
        Box::pin(async {
            Err(Failure {
                code: "none",
                message: String::new(),
            })
        })
    }
}
