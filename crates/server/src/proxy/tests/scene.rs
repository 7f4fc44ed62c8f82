//! A gateway in this process, made of values, with its log at hand.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_config::Loaded;
use countersign_config::compiled::{
    AccessLog, Compiled, KeySource, Limits, SocketSettings, Timeouts, TokenCache,
};
use countersign_core::Snapshot;
use countersign_core::address::TrustedProxies;
use countersign_core::authn::{ClaimHeader, Family, Missing, Requirement, TokenRule};
use countersign_core::authz::{Policy, PolicySet};
use countersign_core::backend::{AppProtocol, Backend, BackendTls, Endpoint};
use countersign_core::filter::Filters;
use countersign_core::host::HostPattern;
use countersign_core::id::{BackendId, ListenerId, PolicySetId, ProviderId, RequirementId, RuleId};
use countersign_core::listener::{IdentityHeaders, Listener, Socket};
use countersign_core::origin::Origin;
use countersign_core::path::Normalization;
use countersign_core::provider::Provider;
use countersign_core::route::{
    self, Match, PathMatch, RouteEntry, RouteRule, RouteTable, WeightedBackend,
};
use countersign_core::source::Source;
use countersign_jose::{Expect, KeySet};
use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
use countersign_runtime::reload::{Compile, Plan, Report, run};
use countersign_runtime::texts::Sources;
use countersign_runtime::{Counter, Handle, Metrics};
use countersign_testkit::mint::{Key, jwks};
use countersign_testkit::port;
use serde_json::{Value, json};

use crate::access_log::Sink;
use crate::admin::Log;
use crate::edge::Sockets;
use crate::server::{Server, ServerOptions};

/// What a gateway is made of; one listener, one requirement.
pub(super) struct Scene {
    pub(super) settings: SocketSettings,
    pub(super) rules: Vec<RouteRule>,
    pub(super) backends: Vec<Backend>,
    pub(super) policies: Vec<Policy>,
    paths: Vec<(String, bool)>,
    providers: Vec<(Provider, KeySource)>,
    tokens: Vec<TokenRule>,
    missing: Missing,
    jwks: Option<Arc<dyn Fetch>>,
}

/// A running gateway.
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) metrics: Arc<Metrics>,
    server: Option<Server>,
    runtime: tokio::runtime::Runtime,
    log: Mutex<Written>,
    handle: Handle,
    next: Arc<Mutex<Compiled>>,
    text: tempfile::NamedTempFile,
    reports: Mutex<Receiver<&'static str>>,
}

struct Written {
    receiver: Receiver<Vec<u8>>,
    lines: Vec<Value>,
}

impl Scene {
    /// Forwards everything to this backend.
    pub(super) fn to(backend: SocketAddr) -> Scene {
        let mut scene = Scene {
            settings: settings(),
            rules: Vec::new(),
            backends: Vec::new(),
            policies: Vec::new(),
            paths: Vec::new(),
            providers: Vec::new(),
            tokens: Vec::new(),
            missing: Missing::Anonymous,
            jwks: None,
        };
        scene.backend(&[backend], AppProtocol::Http, None);
        scene.route("/", false);
        scene
    }

    /// One more backend.
    pub(super) fn backend(
        &mut self,
        endpoints: &[SocketAddr],
        protocol: AppProtocol,
        tls: Option<BackendTls>,
    ) -> BackendId {
        let id = BackendId(u32::try_from(self.backends.len()).unwrap());
        let endpoint = |it: &SocketAddr| Endpoint {
            host: it.ip().to_string().into(),
            port: it.port(),
        };
        self.backends.push(Backend {
            origin: origin("Service", "backend"),
            name: format!("test/backend-{}:80", id.0).into(),
            protocol,
            endpoints: endpoints.iter().map(endpoint).collect(),
            tls,
        });
        id
    }

    /// One more rule, to the last backend; with `jwt` under the requirement.
    pub(super) fn route(&mut self, prefix: &str, jwt: bool) -> &mut RouteRule {
        let backend = BackendId(u32::try_from(self.backends.len() - 1).unwrap());
        self.paths
            .push((prefix.trim_end_matches('/').to_owned(), jwt));
        self.rules.push(RouteRule {
            origin: origin("HTTPRoute", "route"),
            name: format!("test/route/{}", self.rules.len()).into(),
            filters: Filters::default(),
            backends: Box::new([WeightedBackend {
                backend: Some(backend),
                weight: 1,
                filters: Filters::default(),
            }]),
            timeouts: route::Timeouts::default(),
            closed: None,
        });
        self.rules.last_mut().unwrap()
    }

    /// The filters of the first rule.
    pub(super) fn filters(&mut self) -> &mut Filters {
        &mut self.rules[0].filters
    }

    /// One more issuer of tokens, read from this header.
    pub(super) fn issuer(&mut self, issuer: &str, key: &Key, header: &str) -> ProviderId {
        let set = KeySet::from_inline(&jwks(&[key])).unwrap();
        self.provider(issuer, KeySource::Inline(Arc::new(set)), header)
    }

    /// One more issuer of tokens.
    pub(super) fn provider(&mut self, issuer: &str, keys: KeySource, header: &str) -> ProviderId {
        let id = ProviderId(u32::try_from(self.providers.len()).unwrap());
        let provider = Provider {
            origin: origin("RequestAuthentication", issuer),
            name: issuer.into(),
            expect: Expect {
                issuer: Some(issuer.into()),
                ..Expect::default()
            },
            remote: matches!(keys, KeySource::Remote(_)),
            unavailable: "Jwt verification fails",
        };
        self.providers.push((provider, keys));
        let prefix = if header == "authorization" {
            "Bearer "
        } else {
            ""
        };
        self.tokens.push(TokenRule {
            origin: origin("RequestAuthentication", issuer),
            provider: id,
            sources: Box::new([
                Source::Header {
                    name: header.into(),
                    prefix: prefix.into(),
                },
                Source::Query("access_token".into()),
            ]),
            forward: false,
            payload_header: None,
            claim_headers: Box::new([ClaimHeader {
                header: "x-user".parse().unwrap(),
                path: Box::new(["sub".into()]),
            }]),
            space_delimited: Box::default(),
            required: false,
        });
        id
    }

    /// The rule of the last issuer.
    pub(super) fn token(&mut self) -> &mut TokenRule {
        self.tokens.last_mut().unwrap()
    }

    /// Whoever brings no token is refused.
    pub(super) fn strict(mut self) -> Scene {
        self.missing = Missing::Refuse;
        self
    }

    /// Answers key fetches.
    pub(super) fn keys(mut self, fetch: impl Fetch + 'static) -> Scene {
        self.jwks = Some(Arc::new(fetch));
        self
    }

    fn compile(self) -> Compiled {
        let (providers, keys): (Vec<_>, Vec<_>) = self.providers.into_iter().unzip();
        let mut missing = self.missing;
        if providers.is_empty() {
            missing = Missing::Anonymous;
        }
        let requirement = Requirement::new(
            origin("RequestAuthentication", "jwt"),
            self.tokens,
            missing,
            Family::Istio,
        );
        let entry = |(index, (prefix, jwt)): (u32, (String, bool))| RouteEntry {
            host: HostPattern::Any,
            matches: Match {
                path: PathMatch::Prefix(prefix.into()),
                ..Match::default()
            },
            rule: RuleId(index),
            jwt: jwt.then_some(RequirementId(0)),
            rbac: None,
            age: u64::from(index),
        };
        let listener = Listener {
            origin: origin("Gateway", "web"),
            name: "test/web/http".into(),
            host: HostPattern::Any,
            mode: Default::default(),
            routes: RouteTable::new((0..).zip(self.paths).map(entry).collect()),
            istio: None,
            jwt: None,
            policies: Some(PolicySetId(0)),
            rbac: None,
            identity: IdentityHeaders::new(requirement.output_headers()),
            routes_on_identity: false,
            normalization: Normalization::default(),
            proxies: TrustedProxies::default(),
            closed: None,
        };
        let socket = Socket {
            port: 80,
            tls: false,
            listeners: Box::new([ListenerId(0)]),
        };
        Compiled {
            snapshot: Snapshot {
                sockets: Box::new([socket]),
                listeners: Box::new([listener]),
                rules: self.rules.into(),
                backends: self.backends.into(),
                providers: providers.into(),
                requirements: Box::new([requirement]),
                policies: Box::new([PolicySet::new(self.policies)]),
                rbacs: Box::default(),
            },
            sockets: Box::new([self.settings]),
            keys: keys.into(),
            protection: Box::default(),
            token_cache: TokenCache::default(),
            gateways: Box::default(),
        }
    }

    /// Starts it, on one worker.
    pub(super) fn start(mut self) -> Gateway {
        let fetch = self.jwks.take().unwrap_or_else(|| Arc::new(NoKeys));
        let compiled = Arc::new(self.compile());
        let address = (compiled.sockets[0].addresses[0], compiled.sockets[0].port).into();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (lines, receiver) = channel();
        let (sink, _writer) = Sink::start(Out(lines), Counter::default()).unwrap();
        let metrics = Metrics::new();
        let next = Arc::new(Mutex::new(Compiled::clone(&compiled)));
        let inside = runtime.enter();
        let handle = Handle::start(compiled, fetch, || 0.5, metrics.clone());
        let sockets = Sockets::default();
        let options = ServerOptions {
            workers: 1,
            admin: None,
            sockets: sockets.clone(),
            log: Log {
                level: Box::new(String::new),
                set: Box::new(|_| Ok(())),
            },
            tracer: None,
        };
        let server = Server::start(&handle, sink, options).unwrap();
        let text = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        let (report, reports) = channel();
        let plan = Plan {
            handle: handle.clone(),
            sources: Arc::new(Sources::new([text.path().to_owned()], io::empty())),
            texts: Vec::new(),
            compile: compile(next.clone()),
            apply: sockets,
            refuse_unprotect: false,
            report: Box::new(move |it: &Report| {
                let _nobody_asks = report.send(it.result());
            }),
        };
        runtime.spawn(run(plan));
        // The first reading only tells the reloader what there is.
        assert_eq!(reports.recv_timeout(PATIENCE), Ok("applied"));
        drop(inside);
        Gateway {
            address,
            metrics,
            server: Some(server),
            runtime,
            log: Mutex::new(Written {
                receiver,
                lines: Vec::new(),
            }),
            handle,
            next,
            text,
            reports: Mutex::new(reports),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Takes any text to mean `next`.
fn compile(next: Arc<Mutex<Compiled>>) -> Compile {
    Arc::new(move |_| Loaded {
        compiled: Some(next.lock().unwrap().clone()),
        diagnostics: Default::default(),
        files: Default::default(),
        objects: 0,
    })
}

impl Gateway {
    /// Reloads, as after a change of files.
    pub(super) fn reload(&self, change: impl FnOnce(&mut Compiled)) {
        change(&mut self.next.lock().unwrap());
        self.text.as_file().write_all(b"#").unwrap();
        self.handle.reload();
        assert_eq!(
            self.reports.lock().unwrap().recv_timeout(PATIENCE),
            Ok("applied")
        );
    }

    /// The first log line about this path, waited for.
    pub(super) fn logged(&self, path: &str) -> Value {
        let mut log = self.log.lock().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(line) = log.lines.iter().find(|line| line["path"] == path) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let batch = log.receiver.recv_timeout(left).expect("a log line in time");
            let text = String::from_utf8(batch).unwrap();
            log.lines
                .extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}

struct Out(std::sync::mpsc::Sender<Vec<u8>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The test is over when nobody reads any more.
        let _over = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct NoKeys;

impl Fetch for NoKeys {
    fn fetch(
        &self,
        _source: &countersign_config::compiled::RemoteKeys,
    ) -> Boxed<Result<Document, Failure>> {
        Box::pin(async {
            Err(Failure {
                code: "test",
                message: "no keys here".into(),
            })
        })
    }
}

fn settings() -> SocketSettings {
    SocketSettings {
        origin: origin("Gateway", "web"),
        addresses: Box::new(["127.0.0.1".parse().unwrap()]),
        port: port::free(),
        certificates: Box::default(),
        clients: None,
        limits: Limits::default(),
        timeouts: Timeouts {
            drain: Duration::from_millis(100),
            ..Timeouts::default()
        },
        proxy_protocol: Box::default(),
        streams_outlive_token: false,
        access_log: AccessLog::Json,
        debug_header: None,
    }
}

pub(super) fn origin(kind: &'static str, name: &str) -> Arc<Origin> {
    Arc::new(Origin {
        kind,
        namespace: "test".into(),
        name: name.into(),
        part: "".into(),
        file: "test.yaml".into(),
        line: 1,
    })
}

/// Seconds since 1970.
pub(super) fn unix() -> u64 {
    countersign_runtime::clock::now().0
}

/// Claims that are good for a minute.
pub(super) fn claims(issuer: &str, subject: &str) -> Value {
    json!({ "iss": issuer, "sub": subject, "exp": unix() + 60 })
}
