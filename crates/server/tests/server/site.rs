//! A server in this process, with one listener and one route to one backend.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

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
use countersign_server::{Log, Server, ServerOptions, Sink, Sockets};
use countersign_testkit::port;
use tokio::runtime::{self, Runtime};

/// A running server; its threads end when it is dropped.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    _server: Server,
    _control: Runtime,
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
        let handle = Handle::start(compiled, Arc::new(NoKeys), || 0.5, Metrics::new());
        let (sink, _writer) = Sink::start(std::io::sink(), Counter::default()).unwrap();
        let server = Server::start(&handle, sink, options(None)).unwrap();
        drop(inside);
        let address = (Ipv4Addr::LOCALHOST, bind).into();
        Site {
            address,
            _server: server,
            _control: control,
        }
    }
}

pub(crate) fn options(admin: Option<SocketAddr>) -> ServerOptions {
    ServerOptions {
        workers: 1,
        admin,
        sockets: Sockets::default(),
        log: Log {
            level: Box::new(|| "off".into()),
            set: Box::new(|_| Ok(())),
        },
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
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        proxy_protocol: [].into(),
        streams_outlive_token: false,
        access_log: AccessLog::Off,
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
        age: 0,
    };
    Listener {
        origin: origin("Gateway"),
        name: "default/web/http".into(),
        host,
        routes: RouteTable::new(vec![entry]),
        istio: None,
        jwt: None,
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
