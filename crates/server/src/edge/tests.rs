//! The edge from the outside: a server with a handler that says what it sees.

mod clients;
mod faults;
mod http;
mod limits;
mod reload;
mod streams;
mod tls;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use countersign_config::Loaded;
use countersign_config::compiled::{
    Certificate, ClientValidation, Compiled, Limits, RemoteKeys, Secret, SocketSettings, Timeouts,
};
use countersign_core::Denial;
use countersign_core::host::HostPattern;
use countersign_core::id::ListenerId;
use countersign_core::listener::{Listener, Mode, Socket};
use countersign_core::origin::Origin;
use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
use countersign_runtime::reload::{Compile, Plan, Report, run};
use countersign_runtime::texts::Sources;
use countersign_runtime::{Handle, Metrics};
use countersign_testkit::client::{Client, Request as Ask};
use countersign_testkit::port;
use countersign_testkit::tls::Identity;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::Sockets;
use super::handler::Handler;
use super::wire::Wire;
use crate::admin::Log;
use crate::connection::Connection;
use crate::server::{Server, ServerOptions};

/// A socket of a configuration under test.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) bind: u16,
    pub(crate) addresses: Vec<IpAddr>,
    /// Name, hostname, and certificate on TLS sockets.
    pub(crate) listeners: Vec<(&'static str, &'static str, Option<Pem>)>,
    /// Modes of listeners by name; others read requests.
    pub(crate) modes: Vec<(&'static str, Mode)>,
    pub(crate) clients: Option<Arc<ClientValidation>>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) proxies: Vec<&'static str>,
}

/// Certificate and key.
#[derive(Clone)]
pub(crate) struct Pem(pub(crate) String, pub(crate) String);

impl Pem {
    pub(crate) fn of(identity: &Identity) -> Option<Pem> {
        Some(Pem(identity.certificate.clone(), identity.key.clone()))
    }
}

impl Port {
    /// A cleartext socket on a free port of 127.0.0.1, with a listener for every host.
    pub(crate) fn free() -> Port {
        Port {
            bind: port::free(),
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            listeners: vec![("any", "", None)],
            modes: Vec::new(),
            clients: None,
            limits: Limits::default(),
            timeouts: Timeouts {
                drain: Duration::from_secs(2),
                ..Timeouts::default()
            },
            proxies: Vec::new(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.bind).into()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address()).unwrap()
    }
}

/// A configuration with these sockets and no routes.
pub(crate) fn compiled(ports: &[&Port]) -> Arc<Compiled> {
    let mut compiled = Compiled::default();
    let (mut sockets, mut settings, mut listeners) = (vec![], vec![], vec![]);
    for port in ports {
        let mut ids = Vec::new();
        let mut certificates = Vec::new();
        for (name, host, pem) in &port.listeners {
            let id = ListenerId(u32::try_from(listeners.len()).unwrap());
            ids.push(id);
            let mode = port.modes.iter().find(|(it, _)| it == name);
            listeners.push(listener(name, host, mode.map(|(_, mode)| *mode)));
            let secret = |pem: &Pem| Certificate {
                listener: id,
                origin: origin("Secret", name),
                chain: pem.0.as_str().into(),
                key: Secret::new(pem.1.as_str()),
            };
            certificates.extend(pem.as_ref().map(secret));
        }
        let passes = port.modes.iter().any(|(_, it)| *it == Mode::Passthrough);
        let tls = passes || port.listeners.iter().any(|it| it.2.is_some());
        sockets.push(Socket {
            port: port.bind,
            tls,
            listeners: ids.into(),
        });
        settings.push(SocketSettings {
            origin: origin("Gateway", "web"),
            addresses: port.addresses.clone().into(),
            port: port.bind,
            certificates: certificates.into(),
            clients: port.clients.clone(),
            limits: port.limits,
            timeouts: port.timeouts,
            proxy_protocol: port.proxies.iter().map(|it| it.parse().unwrap()).collect(),
            streams_outlive_token: false,
            access_log: Default::default(),
            debug_header: None,
        });
    }
    compiled.snapshot.sockets = sockets.into();
    compiled.snapshot.listeners = listeners.into();
    compiled.sockets = settings.into();
    Arc::new(compiled)
}

fn listener(name: &str, host: &str, mode: Option<Mode>) -> Listener {
    Listener {
        origin: origin("Gateway", "web"),
        name: name.into(),
        host: HostPattern::new(host),
        mode: mode.unwrap_or_default(),
        routes: Default::default(),
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

pub(crate) fn origin(kind: &'static str, name: &str) -> Arc<Origin> {
    let (namespace, part, file) = ("default".into(), "".into(), "site.yaml".into());
    Arc::new(Origin {
        kind,
        namespace,
        name: name.into(),
        part,
        file,
        line: 3,
    })
}

/// A running server with its control runtime, and reloads as they are in
/// earnest, but for what the texts are taken to mean.
pub(crate) struct Running {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) handle: Handle,
    pub(crate) server: Option<Server>,
    pub(crate) sockets: Sockets,
    text: tempfile::NamedTempFile,
    next: Arc<Mutex<Arc<Compiled>>>,
    reports: mpsc::Receiver<&'static str>,
}

impl Running {
    pub(crate) fn start(ports: &[&Port]) -> Running {
        Self::with(ports, 1)
    }

    pub(crate) fn with(ports: &[&Port], workers: usize) -> Running {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let inside = runtime.enter();
        let compiled = compiled(ports);
        let next = Arc::new(Mutex::new(compiled.clone()));
        let handle = Handle::start(compiled, Arc::new(Unreachable), || 0.5, Metrics::new());
        let sockets = Sockets::default();
        let options = ServerOptions {
            workers,
            admin: Some((Ipv4Addr::LOCALHOST, 0).into()),
            sockets: sockets.clone(),
            log: log(),
            tracer: None,
        };
        let server = Server::with(&handle, options, |worker| Rc::new(Mirror { worker })).unwrap();
        let text = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        let (report, reports) = mpsc::channel();
        let plan = Plan {
            handle: handle.clone(),
            sources: Arc::new(Sources::new([text.path().to_owned()], std::io::empty())),
            texts: Vec::new(),
            compile: compile(next.clone()),
            apply: sockets.clone(),
            refuse_unprotect: false,
            report: Box::new(move |it: &Report| {
                let _nobody_asks = report.send(it.result());
            }),
        };
        runtime.spawn(run(plan));
        drop(inside);
        let server = Some(server);
        // The first reading only tells the reloader what there is.
        assert_eq!(reports.recv_timeout(Duration::from_secs(10)), Ok("applied"));
        Running {
            runtime,
            handle,
            server,
            sockets,
            text,
            next,
            reports,
        }
    }

    /// Reloads, and says with what result.
    pub(crate) fn reload(&self, ports: &[&Port]) -> &'static str {
        *self.next.lock().unwrap() = compiled(ports);
        self.text.as_file().write_all(b"#").unwrap();
        self.handle.reload();
        self.reports.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    pub(crate) fn admin(&self, ask: &Ask) -> countersign_testkit::client::Response {
        ask.send(self.server.as_ref().unwrap().admin().unwrap())
    }

    /// Shuts down in the background.
    pub(crate) fn shutdown(&mut self) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(self.server.take().unwrap().shutdown())
    }
}

/// Takes any text to mean `next`.
fn compile(next: Arc<Mutex<Arc<Compiled>>>) -> Compile {
    Arc::new(move |_| Loaded {
        compiled: Some(Compiled::clone(&next.lock().unwrap())),
        ..countersign_config::load(Vec::new(), &|_| None)
    })
}

pub(crate) fn log() -> Log {
    let level = Arc::new(Mutex::new("info".to_owned()));
    let read = level.clone();
    Log {
        level: Box::new(move || read.lock().unwrap().clone()),
        set: Box::new(move |new| {
            if ["info", "debug"].contains(&new) {
                new.clone_into(&mut level.lock().unwrap());
                return Ok(());
            }
            Err("levels are `info` and `debug`".into())
        }),
    }
}

/// No configuration of these tests has remote keys.
pub(crate) struct Unreachable;

impl Fetch for Unreachable {
    fn fetch(&self, _: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
        Box::pin(async {
            Err(Failure {
                code: "unreachable",
                message: String::new(),
            })
        })
    }
}

/// Says what it sees of a request.
struct Mirror {
    worker: usize,
}

impl Handler for Mirror {
    type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

    async fn handle(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Incoming>,
    ) -> Response<Self::Body> {
        let (parts, body) = request.into_parts();
        match parts.uri.path() {
            "/never" => std::future::pending().await,
            "/slow" => {
                let millis = parts.uri.query().map_or(300, |it| it.parse().unwrap());
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            "/endless" => {
                let first =
                    futures_util::stream::once(async { Ok(hyper::body::Frame::data("x".into())) });
                let rest = futures_util::stream::pending();
                let stream = futures_util::StreamExt::chain(first, rest);
                return Response::new(StreamBody::new(stream).boxed_unsync());
            }
            "/flood" => {
                let chunk = Bytes::from(vec![0; 64 * 1024]);
                let chunks = futures_util::stream::repeat_with(move || {
                    Ok(hyper::body::Frame::data(chunk.clone()))
                });
                return Response::new(StreamBody::new(chunks).boxed_unsync());
            }
            _ => {}
        }
        let length = match body.collect().await {
            Ok(body) => body.to_bytes().len().into(),
            Err(_) => Value::Null,
        };
        let text = serde_json::json!({
            "worker": self.worker,
            "path": parts.uri.path(),
            "body": length,
            "peer": connection.peer.ip().to_string(),
            "port": connection.local.port(),
            "tls": connection.tls.is_some(),
            "http2": connection.http2,
            "sni": connection.sni,
            "principals": connection
                .identity
                .as_ref()
                .map(|it| it.names().collect::<Vec<_>>()),
            "listener": connection.listener().map(ToString::to_string),
            "closing": connection.closing(),
        });
        Response::new(Full::from(text.to_string()).boxed_unsync())
    }

    /// Says who is there, then sends back what comes.
    async fn stream(self: Rc<Self>, connection: Rc<Connection>, mut wire: Wire) {
        let sni = connection.sni.as_deref().unwrap_or("-");
        let listener = connection.listener().map_or("-", |it| it);
        let greeting = format!("{sni} {listener} {}\n", connection.tls.is_some());
        if connection.listener().is_none() || connection.tls.is_some() {
            let _gone = wire.write_all(greeting.as_bytes()).await;
        }
        let (mut read, mut write) = tokio::io::split(wire);
        let _gone = tokio::io::copy(&mut read, &mut write).await;
        let _gone = write.shutdown().await;
    }

    fn refuse(
        self: Rc<Self>,
        _: Rc<Connection>,
        request: &Request<Incoming>,
        denial: Denial,
    ) -> Response<Self::Body> {
        let mut response = Response::new(Full::from(denial.reason.code()).boxed_unsync());
        *response.status_mut() = denial.reason.status();
        let path = request.uri().path_and_query().map_or("", |it| it.path());
        let asked = format!("{} {path} {:?}", request.method(), request.version());
        let headers = response.headers_mut();
        headers.insert("x-detail", denial.detail.parse().unwrap());
        headers.insert("x-asked", asked.parse().unwrap());
        response
    }
}
