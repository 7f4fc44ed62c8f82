//! Envoy and the gateway side by side over the same policies, with one upstream behind both.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use countersign_testkit::client::{Client, Response};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::site::{Reply, Seen, Site};
use countersign_testkit::tls::{Authority, Identity};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ask::Ask;
use crate::decisions::Policies;
use crate::envoy::{Envoy, Listener};
use crate::policies::Group;
use crate::vocabulary::{CERTIFICATES, SERVER_NAMES};
use crate::yaml;

/// Certificates, made once for all scenes.
pub(crate) struct World {
    authority: Authority,
    server: Identity,
    clients: Vec<Arc<ClientConfig>>,
    anonymous: Arc<ClientConfig>,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("differential");
        let server = authority.issue(SERVER_NAMES);
        let clients = CERTIFICATES
            .iter()
            .map(|names| authority.client(Some(&authority.issue(names))));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file");
        };
        write("server.crt", &server.certificate);
        write("server.key", &server.key);
        write("ca.crt", &authority.pem());
        Self {
            clients: clients.collect(),
            anonymous: authority.client(None),
            authority,
            server,
            folder,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn client(&self, certificate: Option<usize>) -> Arc<ClientConfig> {
        Arc::clone(certificate.map_or(&self.anonymous, |at| &self.clients[at]))
    }
}

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Gateway,
    Envoy(Policies),
}

/// An answer, or why there is none, and whether the upstream gave it.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) response: Result<Response, String>,
    pub(crate) reached: bool,
}

/// Both, running.
pub(crate) struct Scene<'a> {
    world: &'a World,
    gateway: Gateway,
    _envoy: Envoy,
    _upstream: Site,
    places: Vec<HashMap<Side, u16>>,
    connections: HashMap<(SocketAddr, String), Client>,
    /// What reaches the gateway of a request: all of it, unless a test wants a gateway that is wrong.
    pub(crate) misread: fn(&Ask) -> Ask,
    /// The port that policies see, by group.
    pub(crate) ports: Vec<u16>,
}

impl<'a> Scene<'a> {
    /// Starts both over these groups; policies see trust domains by these names, our own first.
    ///
    /// What one of them said that does not start.
    pub(crate) fn start(
        world: &'a World,
        groups: &[Group],
        trust_domains: &[&str],
    ) -> Result<Self, String> {
        let upstream = echo();
        let mut places = Vec::new();
        let mut listeners = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let mut place = HashMap::from([(Side::Gateway, port::free())]);
            for policies in Policies::needed(group) {
                let port = port::free();
                place.insert(Side::Envoy(policies), port);
                listeners.push(listener(world, group, policies, index, port, trust_domains));
            }
            places.push(place);
        }
        let ports: Vec<u16> = places
            .iter()
            .map(|it| it[&Side::Envoy(Policies::AsWritten)])
            .collect();
        let upstream_port = upstream.address().port();
        let envoy = Envoy::start(&listeners, upstream_port)?;
        let mut setup = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("mesh.yaml", &mesh_yaml(trust_domains));
        for (index, group) in groups.iter().enumerate() {
            let bind = places[index][&Side::Gateway];
            let text = gateway_yaml(world, group, index, ports[index], bind, upstream_port);
            let policies = yaml::documents(&group.documents);
            let policies = filled(&policies, index, ports[index]);
            setup = setup
                .file(&format!("g{index}.yaml"), &text)
                .file(&format!("g{index}-policies.yaml"), &policies);
        }
        let gateway = setup
            .start()
            .map_err(|ended| format!("the gateway: {}", ended.stderr))?;
        Ok(Self {
            world,
            gateway,
            _envoy: envoy,
            _upstream: upstream,
            places,
            connections: HashMap::new(),
            misread: Ask::clone,
            ports,
        })
    }

    pub(crate) fn ask(&mut self, group: usize, side: Side, ask: &Ask) -> Answer {
        let response = if side == Side::Gateway {
            let read = (self.misread)(ask);
            self.send(group, side, &read)
        } else {
            self.send(group, side, ask)
        };
        let reached = response.as_ref().is_ok_and(Mark::is_marked);
        Answer {
            response: response.map_err(|error| error.to_string()),
            reached,
        }
    }

    /// Ends both; what the gateway's access log says of the last request.
    pub(crate) fn end(self) -> String {
        let Self {
            gateway,
            connections,
            ..
        } = self;
        drop(connections);
        gateway.signal("TERM");
        let log = gateway.wait().stdout;
        log.lines().last().unwrap_or_default().to_owned()
    }

    /// Connections stay open, one per side and identity; one that the other side has closed is opened anew.
    fn send(&mut self, group: usize, side: Side, ask: &Ask) -> io::Result<Response> {
        let to = SocketAddr::from((ask.to, self.places[group][&side]));
        let request = ask.request(self.ports[group]);
        let key = (to, format!("{} {:?}", ask.from, ask.tls));
        if let Some(mut client) = self.connections.remove(&key)
            && let Ok(response) = client.send(&request)
        {
            self.keep(key, client, &response);
            return Ok(response);
        }
        let mut client = match &ask.tls {
            Some((name, certificate)) => {
                Client::connect_tls(to, name, self.world.client(*certificate))?
            }
            None => Client::connect_from(ask.source(), to)?,
        };
        let response = client.send(&request)?;
        self.keep(key, client, &response);
        Ok(response)
    }

    fn keep(&mut self, key: (SocketAddr, String), client: Client, response: &Response) {
        if !response.headers.lists("connection", "close") {
            self.connections.insert(key, client);
        }
    }
}

/// Documents of a group with its namespace and port in them.
fn filled(documents: &str, index: usize, port: u16) -> String {
    documents
        .replace("__NS__", &format!("g{index}"))
        .replace("__PORT__", &port.to_string())
}

/// A server that answers with what it received, and marks its answers.
pub(crate) fn echo() -> Site {
    Site::start(|seen: &Seen| {
        let body = json!({"method": seen.method, "path": seen.target, "headers": seen.headers});
        Reply::json(body.to_string()).header(MARK, "1")
    })
}

/// Whether a response is the upstream's.
pub(crate) trait Mark {
    fn is_marked(&self) -> bool;
}

impl Mark for Response {
    fn is_marked(&self) -> bool {
        self.headers.first(MARK).is_some()
    }
}

const MARK: &str = "x-differential-upstream";

fn listener(
    world: &World,
    group: &Group,
    policies: Policies,
    index: usize,
    port: u16,
    trust_domains: &[&str],
) -> Listener {
    let documents = yaml::documents(&policies.apply(&group.documents));
    let tls = json!({
        "cert": world.path("server.crt"),
        "key": world.path("server.key"),
        "ca": world.path("ca.crt"),
    });
    Listener {
        port,
        policies: filled(&documents, index, port),
        workload: json!({
            "namespace": format!("g{index}"),
            "labels": {
                "app": "edge",
                "group": format!("g{index}"),
                "gateway.networking.k8s.io/gateway-name": "gw",
            },
        }),
        mesh: json!({
            "pathNormalization": group.normalization,
            "numTrustedProxies": group.proxies,
            "trustDomains": trust_domains,
        }),
        tls: if group.tls { tls } else { Value::Null },
    }
}

fn mesh_yaml(trust_domains: &[&str]) -> String {
    let mut mesh = String::from("    rootNamespace: istio-system\n");
    if let Some((own, aliases)) = trust_domains.split_first() {
        _ = writeln!(mesh, "    trustDomain: {own}");
        _ = writeln!(mesh, "    trustDomainAliases: {aliases:?}");
    }
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |
{mesh}"
    )
}

fn gateway_yaml(
    world: &World,
    group: &Group,
    index: usize,
    port: u16,
    bind: u16,
    upstream: u16,
) -> String {
    let (listener, frontend, certificates) = if group.tls {
        tls_yaml(world)
    } else {
        (
            format!("{{name: http, protocol: HTTP, port: {port}}}"),
            String::new(),
            String::new(),
        )
    };
    let listener = listener.replace("__PORT__", &port.to_string());
    let (normalization, proxies) = (group.normalization, group.proxies);
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: __NS__}}
spec:
  gatewayClassName: istio
  addresses: [{{type: IPAddress, value: 0.0.0.0}}]
  infrastructure:
    labels: {{app: edge, group: __NS__}}
    parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: gw}}{frontend}
  listeners: [{listener}]
---
apiVersion: countersign.dev/v1alpha1
kind: GatewayParameters
metadata: {{name: gw, namespace: __NS__}}
spec:
  ports: [{{port: {port}, bind: {bind}}}]
  pathNormalization: {normalization}
  forwarded: {{trustedProxies: {proxies}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: all, namespace: __NS__}}
spec:
  parentRefs: [{{name: gw}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: upstream}}]}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: upstream, namespace: __NS__}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {upstream}}}]}}}}
{certificates}"
    )
    .replace("__NS__", &format!("g{index}"))
}

/// The listener, what the Gateway says about client certificates, and the objects that both refer to.
fn tls_yaml(world: &World) -> (String, String, String) {
    let indented = |text: &str| text.trim_end().replace('\n', "\n    ");
    let objects = format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: server, namespace: __NS__}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    {}
  tls.key: |
    {}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: __NS__}}
data:
  ca.crt: |
    {}
",
        indented(&world.server.certificate),
        indented(&world.server.key),
        indented(&world.authority.pem()),
    );
    let listener = "{name: https, protocol: HTTPS, port: __PORT__, \
                    tls: {mode: Terminate, certificateRefs: [{name: server}]}}";
    let frontend = "
  tls:
    frontend:
      default:
        validation:
          mode: AllowInsecureFallback
          caCertificateRefs: [{group: \"\", kind: ConfigMap, name: ca}]";
    (listener.to_owned(), frontend.to_owned(), objects)
}
